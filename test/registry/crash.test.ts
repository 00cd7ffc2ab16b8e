import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { killChild, startChild } from '../store/child.ts'
import { filesBelow } from '../store/fixtures.ts'
import { place, temporaryData, tinyPath } from './place.ts'
import { digestOf, TestRegistry } from './server.ts'

const pieceBytes = 1024 * 1024

it.each([
  ['piece 1', 0],
  ['piece 2', 1],
  ['mark 1', 0],
  ['mark 2', 1],
  ['keep 1', 2],
  ['rename 1', 2],
  ['renamed 1', 2],
  ['keep 2', 2],
  ['rename 2', 2],
  ['renamed 2', 2],
  ['manifest', 2],
  ['rename 3', 2],
  ['renamed 3', 2],
])(
  'a process that is killed at its %s leaves nothing under a final name that is not whole, and the next pull goes on after piece %i',
  async (step, pieces) => {
    const server = await TestRegistry.start()
    const model = await readFile(tinyPath) // Of two pieces.
    const [digest = ''] = server.add('tiny', model)
    const data = await temporaryData()
    const name = `${server.url}/library/tiny`
    await killChild(await startChild('../registry/pull-child.ts', data, name, step))
    for (const file of await filesBelow(join(data, 'models'))) {
      const [, hex] = /^blobs\/sha256-(.+)$/.exec(file) ?? []
      if (hex !== undefined) expect(digestOf(await readFile(join(data, 'models', file)))).toBe(`sha256:${hex}`)
      else expect(file).toMatch(/^(manifests\/|blobs\/omx-)/)
    }
    const asked = server.asked.length
    const { run, catalog, blobs } = await place({ data })
    await run(name)
    expect(await catalog.list()).toHaveLength(1)
    expect(catalog.problems()).toEqual([])
    expect(server.bytesAsked(digest, asked)).toBe(Math.max(0, model.length - pieces * pieceBytes))
    expect((await blobs()).filter((blob) => blob.startsWith('omx-'))).toEqual([])
  },
)
