import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { FileHash } from '../../src/store/file-hash.ts'

const mebibyte = 1024 * 1024
/** So long that a short file is done while it is hashed: about a tenth of a second of a core. */
const longBytes = 192 * mebibyte

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('the hash of a file', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'omx-hash-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const written = async (name: string, bytes: Uint8Array): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, bytes)
    return path
  }

  it('follows the file as it grows, by small steps and large ones', async () => {
    const bytes = Buffer.from(Array.from({ length: 20 * mebibyte }, (_, at) => (at * 7) & 0xff))
    const path = await written('growing', new Uint8Array())
    using hash = new FileHash(path)
    let at = 0
    for (const end of [1, mebibyte, 17 * mebibyte, 17 * mebibyte + 3, bytes.length]) {
      await appendFile(path, bytes.subarray(at, end))
      hash.follow(end)
      at = end
    }
    expect(await hash.digest(bytes.length)).toBe(sha256(bytes))
  })

  it('is that of no bytes for an empty file', async () => {
    using hash = new FileHash(await written('empty', new Uint8Array()))
    expect(await hash.digest(0)).toBe(sha256(new Uint8Array()))
  })

  it('leaves out what is in the file behind the asked size', async () => {
    using hash = new FileHash(await written('behind', Buffer.from('abcdef')))
    expect(await hash.digest(3)).toBe(sha256(Buffer.from('abc')))
  })

  it('fails for a file that ends before the asked size, and says where', async () => {
    using hash = new FileHash(await written('short', Buffer.from('abc')))
    await expect(hash.digest(5)).rejects.toThrow('the file ends after 3 of 5 bytes')
  })

  it('fails for a file that is not there', async () => {
    using hash = new FileHash(join(folder, 'nowhere'))
    await expect(hash.digest(1)).rejects.toThrow('ENOENT')
  })

  it('of a short file does not wait for that of a long one', async () => {
    const path = await written('long', new Uint8Array())
    await truncate(path, longBytes)
    const ended: string[] = []
    using long = new FileHash(path)
    using short = new FileHash(await written('brief', Buffer.from('abc')))
    const both = [
      long.digest(longBytes).then(() => ended.push('long')),
      short.digest(3).then(() => ended.push('short')),
    ]
    await Promise.all(both)
    expect(ended).toEqual(['short', 'long'])
  })

  it('fails with its thread, and the next one has another thread', async () => {
    // A thread that no other test has used.
    vi.resetModules()
    const fresh = await import('../../src/store/file-hash.ts')
    const path = await written('lost', new Uint8Array())
    const thread = once(process, 'worker') as Promise<[Worker]>
    await truncate(path, longBytes)
    using asked = new fresh.FileHash(path)
    using late = new fresh.FileHash(path)
    const digest = asked.digest(longBytes)
    const rejects = expect(digest).rejects.toThrow('the thread that hashes files has ended')
    await (await thread)[0].terminate()
    await rejects
    await expect(late.digest(3)).rejects.toThrow('the thread that hashes files has ended')
    using next = new fresh.FileHash(await written('found', Buffer.from('abc')))
    expect(await next.digest(3)).toBe(sha256(Buffer.from('abc')))
  })

  it('that nobody wants any more holds up no other', async () => {
    const path = await written('dropped', new Uint8Array())
    await truncate(path, longBytes)
    {
      using dropped = new FileHash(path)
      dropped.follow(longBytes)
    }
    using hash = new FileHash(await written('wanted', Buffer.from('abc')))
    expect(await hash.digest(3)).toBe(sha256(Buffer.from('abc')))
  })
})
