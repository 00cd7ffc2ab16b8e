import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadOrCreateKey } from '../../src/net/key.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'omx-key-'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const idOf = async () => peerIdFromPrivateKey((await loadOrCreateKey(folder)).privateKey).toString()

describe("the node's key", () => {
  it('is made once and is the same identity ever after', async () => {
    const first = await idOf()
    expect(await idOf()).toBe(first)
    expect(await readdir(folder)).toEqual(['key'])
  })

  it('is read by nobody but its owner', async () => {
    await loadOrCreateKey(folder)
    expect((await stat(join(folder, 'key'))).mode & 0o777).toBe(0o600)
  })

  it('is one identity when two processes start in an empty folder', async () => {
    const identities = await Promise.all([idOf(), idOf(), idOf()])
    expect(new Set(identities).size).toBe(1)
    expect(await readdir(folder)).toEqual(['key'])
  })

  it('is closed to others when it was open to them, and says so', async () => {
    await loadOrCreateKey(folder)
    await chmod(join(folder, 'key'), 0o644)
    const { warning } = await loadOrCreateKey(folder)
    expect(warning).toContain('644')
    expect((await stat(join(folder, 'key'))).mode & 0o777).toBe(0o600)
    expect((await loadOrCreateKey(folder)).warning).toBeUndefined()
  })

  it.each([
    ['is cut short', Buffer.from([8, 1, 18])],
    ['is empty', Buffer.alloc(0)],
    ['is something else', Buffer.from('not a key at all')],
    ['is far too large', Buffer.alloc(10_000, 1)],
  ])('is never overwritten when it %s', async (_name, content) => {
    const path = join(folder, 'key')
    await writeFile(path, content)
    await expect(loadOrCreateKey(folder)).rejects.toEqual(expect.objectContaining({ name: 'KeyError', path }))
    expect(await readFile(path)).toEqual(content)
  })

  it('names the folder that it cannot be written to', async () => {
    await expect(loadOrCreateKey(join(folder, 'missing'))).rejects.toEqual(
      expect.objectContaining({ name: 'KeyError', message: expect.stringContaining('missing') }),
    )
  })
})
