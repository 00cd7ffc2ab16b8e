import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { beginLife, chooseLife } from '../../src/store/life.ts'

let root: string
let folders = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'omx-life-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function folder(life?: string): Promise<string> {
  const path = await mkdtemp(join(root, `${folders++}-`))
  if (life !== undefined) await writeFile(join(path, 'life.json'), life)
  return path
}

it('a life is larger than the one before, whatever the clock says', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e300, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 41 }),
      (wallMs, stored) => {
        expect(chooseLife(wallMs, stored)).toBeGreaterThan(stored)
      },
    ),
  )
})

it('with a clock that goes on, a life is its milliseconds', () => {
  expect(chooseLife(1_800_000_000_000.7, 1_700_000_000_000)).toBe(1_800_000_000_000)
})

it('a node whose clock jumped back a year still begins a later life', async () => {
  const path = await folder()
  const first = await beginLife(path, Date.UTC(2026, 0, 1))
  const second = await beginLife(path, Date.UTC(2025, 0, 1))
  expect([first, second]).toEqual([Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1) + 1])
  expect(JSON.parse(await readFile(join(path, 'life.json'), 'utf8'))).toEqual({ life: second })
})

it.each(['', '{}', '{"life":"1"}', '{"life":-1}', '{"life":1e300}', 'x'.repeat(2000)])(
  'a file that is none is named, with what to do (%#)',
  async (text) => {
    const path = await folder(text)
    await expect(beginLife(path, 1)).rejects.toMatchObject({ code: 'corrupt' })
    await expect(beginLife(path, 1)).rejects.toThrow(/life\.json .*Remove it/)
  },
)

it('what a start that was cut off left behind is replaced', async () => {
  const path = await folder('{"life":5}')
  await writeFile(join(path, 'life.json.new'), '{"li')
  expect(await beginLife(path, 7)).toBe(7)
})
