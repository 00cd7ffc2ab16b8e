import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isHeld, openDataFolder } from '../../src/store/data-folder.ts'
import { type RunFile, readRunFile, removeRunFile, writeRunFile } from '../../src/store/run-file.ts'
import { killChild, startChild } from './child.ts'
import { temporaryFolder } from './fixtures.ts'

const run: RunFile = {
  pid: 4711,
  api: 'http://127.0.0.1:11434',
  p2p: ['/ip4/127.0.0.1/tcp/11435'],
  node: '12D3KooW',
  name: 'left',
  token: 'secret',
  startedAt: '2026-01-02T03:04:05.000Z',
}

describe('a data folder', () => {
  it('is created for its owner alone', async () => {
    const path = join(await temporaryFolder(), 'deep', 'data')
    const folder = await openDataFolder(path)
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect(folder.path).toBe(path)
    folder.release()
  })

  it('belongs to one opening of a process at a time', async () => {
    const path = await temporaryFolder()
    const folder = await openDataFolder(path)
    expect(isHeld(path)).toBe(true)
    await expect(openDataFolder(path)).rejects.toMatchObject({ name: 'StoreError', code: 'locked' })
    expect(isHeld(path)).toBe(true)
    folder.release()
    folder.release()
    expect(isHeld(path)).toBe(false)
    const next = await openDataFolder(path)
    next.release()
  })

  it('belongs to one process, named by its run file, until that is killed', async () => {
    const path = await temporaryFolder()
    const child = await startChild('hold-child.ts', path)
    expect(isHeld(path)).toBe(true)
    await expect(openDataFolder(path)).rejects.toThrow(/in use by another omx-node\. Stop that node/)
    await writeRunFile(path, run)
    await expect(openDataFolder(path)).rejects.toThrow(/process id 4711 \(http:\/\/127\.0\.0\.1:11434\)/)
    await killChild(child)
    expect(isHeld(path)).toBe(false)
    const folder = await openDataFolder(path)
    expect(await readRunFile(path)).toBeUndefined()
    folder.release()
  })

  it('that is a file, or lies below one, is refused in one sentence with what to do', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    for (const path of [file, join(file, 'below')]) {
      const error = await openDataFolder(path).catch((thrown) => thrown)
      expect(error).toMatchObject({ name: 'StoreError', code: 'unwritable' })
      expect(error.message).toMatch(/cannot be created or written: .*Choose another one with --data\.$/)
    }
  })

  it('whose lock is no database is refused without damage', async () => {
    const path = await temporaryFolder()
    await writeFile(join(path, 'lock.sqlite'), 'x'.repeat(5_000))
    await expect(openDataFolder(path)).rejects.toMatchObject({ code: 'unwritable' })
    expect(() => isHeld(path)).toThrow('lock.sqlite')
  })

  it('is asked whether it is held without being touched', async () => {
    const path = await temporaryFolder()
    expect(isHeld(path)).toBe(false)
    expect(isHeld(join(path, 'missing'))).toBe(false)
    expect(await readdir(path)).toEqual([])
  })
})

describe('run.json', () => {
  it('is read as it was written, and by its owner alone', async () => {
    const folder = await temporaryFolder()
    expect(await readRunFile(folder)).toBeUndefined()
    await writeRunFile(folder, run)
    await writeRunFile(folder, { ...run, pid: 4712 })
    expect(await readRunFile(folder)).toEqual({ ...run, pid: 4712 })
    expect((await stat(join(folder, 'run.json'))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['run.json'])
    await removeRunFile(folder)
    await removeRunFile(folder)
    expect(await readdir(folder)).toEqual([])
  })

  it.each([
    ['no JSON', 'pid 3'],
    ['something else', '{"pid":"3"}'],
    ['too large', ' '.repeat(100_000)],
  ])('that is %s is refused with the next step', async (_what, text) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'run.json'), text)
    await expect(readRunFile(folder)).rejects.toThrow(/run\.json is not what a running node writes .*--api/)
  })

  it('in a folder that is not there cannot be written', async () => {
    const folder = join(await temporaryFolder(), 'missing')
    await expect(writeRunFile(folder, run)).rejects.toMatchObject({ name: 'StoreError', code: 'unwritable' })
    await mkdir(folder)
    await writeRunFile(folder, run)
  })
})
