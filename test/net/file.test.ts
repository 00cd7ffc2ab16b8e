import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import { eventually } from '../support/eventually.ts'
import { host, pair } from './hosts.ts'

const digest = `sha256:${'a'.repeat(64)}`
const file = { kind: 'blob', digest } as const
const never = new AbortController().signal

/** Bytes that tell where they are from, and how many of them were asked for. */
function counted(sizeBytes: number, chunkBytes = 256 * 1024) {
  const state = { takenBytes: 0, left: false }
  const blob: ReadableBlob = {
    sizeBytes,
    read: async function* (start, end) {
      // Who opens a file reads nothing of it and leaves at once: that does not count.
      state.left = false
      try {
        for (let at = start; at < end; at += chunkBytes) {
          const chunk = Buffer.alloc(Math.min(chunkBytes, end - at), String(at / chunkBytes))
          state.takenBytes += chunk.length
          yield chunk
        }
      } finally {
        state.left = start < end
      }
    },
  }
  return { state, blob }
}

async function all(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

it('a node reads any run of bytes of another one’s file', async () => {
  const { blob } = counted(3_000_000)
  const asked: unknown[] = []
  const [reader, holder] = await pair(
    {},
    {
      openFile: async (request) => {
        asked.push(request.digest)
        return blob
      },
    },
  )
  const found = await reader.openFile(holder.peerId, file, never)
  expect(found?.sizeBytes).toBe(3_000_000)
  for (const [start, end] of [
    [0, 3_000_000],
    [1_000_000, 1_000_001],
    [2_999_999, 3_000_000],
    [7, 7],
  ] as const) {
    const read = await all((found as ReadableBlob).read(start, end))
    // Compared by itself: a matcher looks at each byte as a key of an object.
    expect(read.equals(await all(blob.read(start, end))), `${start} to ${end}`).toBe(true)
  }
  expect(new Set(asked)).toEqual(new Set([digest]))
})

it('a reader that is slow slows the disk of the other node, and loses nothing', async () => {
  const { blob, state } = counted(64 * 1024 * 1024)
  const [reader, holder] = await pair({}, { openFile: async () => blob })
  const found = await reader.openFile(holder.peerId, file, never)
  const bytes = (found as ReadableBlob).read(0, blob.sizeBytes)[Symbol.asyncIterator]()
  let taken = (await bytes.next()).value?.length ?? 0
  let before = -1
  await eventually('the holder has stopped', async () => {
    const same = before === state.takenBytes
    before = state.takenBytes
    await pause(100)
    return same
  })
  expect(state.takenBytes).toBeLessThan(12 * 1024 * 1024)
  for (let next = await bytes.next(); next.done !== true; next = await bytes.next()) taken += next.value.length
  expect(taken).toBe(blob.sizeBytes)
})

it('a reader that takes nothing for too long is given up, and its place is free', async () => {
  const { blob, state } = counted(64 * 1024 * 1024)
  const [reader, holder] = await pair({}, { openFile: async () => blob }, { fileStallMs: 300 })
  const found = await reader.openFile(holder.peerId, file, never)
  const bytes = (found as ReadableBlob).read(0, blob.sizeBytes)[Symbol.asyncIterator]()
  await bytes.next()
  await eventually('the holder has left the file', () => state.left)
  expect(state.takenBytes).toBeLessThan(12 * 1024 * 1024)
  await expect(
    (async () => {
      while ((await bytes.next()).done !== true);
    })(),
  ).rejects.toThrow()
})

it('a reader that leaves ends the reading at the other node', async () => {
  const { blob, state } = counted(64 * 1024 * 1024)
  const [reader, holder] = await pair({}, { openFile: async () => blob })
  const found = await reader.openFile(holder.peerId, file, never)
  for await (const _ of (found as ReadableBlob).read(0, blob.sizeBytes)) break
  await eventually('the holder has left the file', () => state.left)
})

it('a file that is not there is undefined; one that cannot be read, or whose node is gone, is an error', async () => {
  const { blob } = counted(64 * 1024 * 1024)
  let answer: () => Promise<ReadableBlob | undefined> = async () => undefined
  const [reader, holder] = await pair({}, { openFile: () => answer() })
  expect(await reader.openFile(holder.peerId, file, never)).toBeUndefined()
  answer = () => Promise.reject(new Error('the disk is broken'))
  await expect(reader.openFile(holder.peerId, file, never)).rejects.toThrow('failed')
  answer = async () => ({ ...blob, read: () => brokenAfter(blob.read(0, 1_000_000)) })
  const broken = await reader.openFile(holder.peerId, file, never)
  await expect(all((broken as ReadableBlob).read(0, blob.sizeBytes))).rejects.toThrow()
  answer = async () => blob
  const found = await reader.openFile(holder.peerId, file, never)
  const bytes = (found as ReadableBlob).read(0, blob.sizeBytes)[Symbol.asyncIterator]()
  await bytes.next()
  await holder.close()
  await expect(
    (async () => {
      while ((await bytes.next()).done !== true);
    })(),
  ).rejects.toThrow()
  const stranger = await host()
  await expect(stranger.openFile(reader.peerId, file, never)).rejects.toThrow('not connected')
})

it('a signal ends the reading', async () => {
  const { blob, state } = counted(64 * 1024 * 1024)
  const [reader, holder] = await pair({}, { openFile: async () => blob })
  const leaving = new AbortController()
  const found = await reader.openFile(holder.peerId, file, leaving.signal)
  const bytes = (found as ReadableBlob).read(0, blob.sizeBytes)[Symbol.asyncIterator]()
  await bytes.next()
  leaving.abort(new Error('the client has gone'))
  await expect(
    (async () => {
      while ((await bytes.next()).done !== true);
    })(),
  ).rejects.toThrow('the client has gone')
  await eventually('the holder has left the file', () => state.left)
})

async function* brokenAfter(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes
  throw new Error('the disk is broken')
}
