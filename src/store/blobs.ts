/** Blobs: files under the digest of their bytes. None is ever there in part: each is staged, synced, then renamed. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import { blobPath, type Layout } from './layout.ts'
import { StagedFile } from './staged-file.ts'
import { causeText, fileError, StoreError, systemCode } from './store-error.ts'

/** Bytes that stay free on the disk whatever comes in: the manifests, journals and logs of the host need some. */
const reservedBytes = 64 * 1024 * 1024

/** Read from the disk at once: enough that a disk is not asked all the time, little enough for many readers. */
const readBytes = 256 * 1024

/** What is being copied, in the words of its errors. */
export interface Copying {
  /** `Importing tiny`, for a write that fails. */
  readonly doing: string
  /** `import of tiny`: was interrupted. */
  readonly what: string
  /** What to do then. */
  readonly again: string
}

/** Whether the blob of a digest is there. Throws a StoreError for a text that is no digest. */
export async function hasBlob(layout: Layout, digest: string): Promise<boolean> {
  return (await blobSize(layout, digest)) !== undefined
}

/** Its bytes; undefined when it is not there. */
export async function blobSize(layout: Layout, digest: string): Promise<number | undefined> {
  const path = blobPath(layout, digest)
  try {
    const status = await stat(path)
    return status.isFile() ? status.size : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError('Reading', path, error)
  }
}

/**
 * Writes a blob that must have this digest; `sizeBytes` is how many bytes are announced, for the disk to be asked
 * first. Throws a StoreError (`mismatch`, `no-space`, `interrupted`, `unwritable`) and then leaves nothing.
 */
export async function writeBlob(
  layout: Layout,
  digest: string,
  source: AsyncIterable<Uint8Array>,
  sizeBytes: number | undefined,
): Promise<void> {
  blobPath(layout, digest) // Throws for what is no digest, before anything is written.
  await checkSpace(layout.blobs, sizeBytes ?? 0)
  await using staged = await StagedFile.create(layout.blobs)
  const hex = await fill(staged, source, {
    doing: `Keeping ${digest}`,
    what: `upload of ${digest}`,
    again: 'send it again',
  })
  if (`sha256:${hex}` !== digest) {
    throw new StoreError('mismatch', `digest mismatch, expected "${digest}", got "sha256:${hex}"`)
  }
  await keep(layout, staged, hex)
}

/** Copies the source into the staged file and seals it; the SHA-256 in hex. */
export async function fill(
  staged: StagedFile,
  source: AsyncIterable<Uint8Array>,
  copying: Copying,
  onProgress?: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256')
  await append(staged, source, copying, (slice) => {
    hash.update(slice)
    onProgress?.(staged.sizeBytes)
  })
  await seal(staged, copying)
  return hash.digest('hex')
}

/** What a network brings is gathered to blocks of this size: a write for each of its small chunks would cost more than the copy. */
const blockBytes = 1024 * 1024

/** Copies the source behind what the staged file has. The next block is taken when the last is written. */
export async function append(
  staged: StagedFile,
  source: AsyncIterable<Uint8Array>,
  copying: Copying,
  onSlice: (slice: Uint8Array) => void,
): Promise<void> {
  const block = Buffer.allocUnsafe(blockBytes)
  let filled = 0
  const write = () => written(staged, copying, () => staged.write(block.subarray(0, filled), onSlice))
  for await (const chunk of interruptible(source, copying)) {
    for (let from = 0; from < chunk.length; ) {
      const taken = chunk.subarray(from, from + blockBytes - filled)
      block.set(taken, filled)
      filled += taken.length
      from += taken.length
      if (filled < blockBytes) continue
      await write()
      filled = 0
    }
  }
  if (filled > 0) await write()
}

export function seal(staged: StagedFile, copying: Copying): Promise<void> {
  return written(staged, copying, () => staged.seal())
}

/** The blob of a digest, to be read from any byte on; undefined when it is not here. Throws a StoreError, as its reading does. */
export async function openBlob(layout: Layout, digest: string): Promise<ReadableBlob | undefined> {
  const sizeBytes = await blobSize(layout, digest)
  if (sizeBytes === undefined) return undefined
  const path = blobPath(layout, digest)
  return { sizeBytes, read: (start, end) => bytesOf(path, start, end) }
}

async function* bytesOf(path: string, start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
  if (start >= end) return
  try {
    yield* createReadStream(path, { start, end: end - 1, highWaterMark: readBytes })
  } catch (error) {
    throw fileError('Reading', path, error)
  }
}

/** A sealed staged file of a few bytes. */
export async function stageBytes(layout: Layout, bytes: Buffer): Promise<StagedFile> {
  const staged = await StagedFile.create(layout.blobs)
  try {
    await staged.write(bytes)
    await staged.seal()
    return staged
  } catch (error) {
    await staged[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * Names a sealed file by its digest. One that is there with the same size is the same; another size is a damaged one.
 * True: it was not there.
 */
export async function keep(layout: Layout, staged: StagedFile, hex: string): Promise<boolean> {
  const path = blobPath(layout, `sha256:${hex}`)
  const present = await stat(path).catch(() => undefined)
  if (present?.size === staged.sizeBytes) return false
  await staged.moveTo(path)
  return true
}

/** Throws a StoreError `no-space` when the disk of a folder cannot take so many bytes. */
export async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch((error) => {
    throw fileError('Asking for the free space of', folder, error)
  })
  const freeBytes = bavail * bsize
  if (bytes + reservedBytes <= freeBytes) return
  throw new StoreError(
    'no-space',
    `${bytes} bytes do not fit on the disk of ${folder}, which has ${freeBytes} free and keeps ${reservedBytes} of them. Free some space, or choose another folder with --models.`,
  )
}

/** The source, with its failures told apart from those of our own disk. */
async function* interruptible(source: AsyncIterable<Uint8Array>, copying: Copying): AsyncIterable<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    if (error instanceof StoreError) throw error
    const why = `The ${copying.what} was interrupted: ${causeText(error)}`
    throw new StoreError('interrupted', `${why}. Nothing was kept; ${copying.again}.`, { cause: error })
  }
}

async function written(staged: StagedFile, { doing }: Copying, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw fileError(`${doing} (${staged.sizeBytes} bytes so far) into`, dirname(staged.path), error)
  }
}
