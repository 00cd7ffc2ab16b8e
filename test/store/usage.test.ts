import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openCatalog } from '../../src/store/catalog.ts'
import { temporaryFolder, tinySource, writeStockModel } from './fixtures.ts'

it('a layer that models share is counted once, and given back by none of them', async () => {
  const folder = await temporaryFolder()
  const catalog = await openCatalog(folder)
  await catalog.importGguf('tiny', tinySource())
  await catalog.copy('tiny', 'same')
  await writeStockModel(folder, 'registry.ollama.ai/library/lone/latest', [
    { kind: 'model', content: Buffer.alloc(1000, 'x') },
  ])
  await writeFile(join(folder, 'blobs', `sha256-${'0'.repeat(64)}`), Buffer.alloc(77))
  const { models, namedBytes, unnamedBytes, unfinishedBytes, freeBytes } = await catalog.usage()
  const of = (name: string) => models.find((model) => model.name === `${name}:latest`)
  expect(of('tiny')).toEqual({ name: 'tiny:latest', sizeBytes: of('same')?.sizeBytes, aloneBytes: 0 })
  expect(of('lone')?.aloneBytes).toBe(of('lone')?.sizeBytes)
  expect(of('lone')?.sizeBytes).toBeGreaterThan(1000)
  expect(namedBytes).toBe((of('tiny')?.sizeBytes ?? 0) + (of('lone')?.sizeBytes ?? 0))
  expect([unnamedBytes, unfinishedBytes]).toEqual([77, 0])
  expect(freeBytes).toBeGreaterThan(0)
  await catalog.remove('same')
  expect((await catalog.usage()).models.find(({ name }) => name === 'tiny:latest')?.aloneBytes).toBe(
    of('tiny')?.sizeBytes,
  )
})

it('of what is on its way counts what has come, not what it will be', async () => {
  const folder = await temporaryFolder()
  const catalog = await openCatalog(folder)
  await mkdir(join(folder, 'blobs'), { recursive: true })
  await using file = await open(join(folder, 'blobs', `omx-partial-x-${'1'.repeat(64)}`), 'w')
  await file.truncate(100_000_000)
  await file.write(Buffer.alloc(8192, 'x'), 0, 8192, 50_000_000)
  await file.sync()
  const { unfinishedBytes } = await catalog.usage()
  expect(unfinishedBytes).toBeGreaterThanOrEqual(8192)
  expect(unfinishedBytes).toBeLessThan(1_000_000)
})
