/**
 * A blob that comes in pieces, in any order, and stays over a crash: the bytes in one file of the full size, and beside it
 * one byte for each piece that is there. A power cut may keep a mark and lose its piece; the digest tells, and then the
 * blob is fetched anew. The digest is computed behind the pieces while others still come.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FileHash } from './file-hash.ts'
import { causeText, fileError, StoreError } from './store-error.ts'

/** Written and marked at once: long enough to be cheap, short enough that a crash loses little. */
const pieceBytes = 1024 * 1024

/** Written before the disk is told to keep up: the last sync is then short, and the memory of unwritten pages bounded. */
const bytesPerSync = 64 * 1024 * 1024

/** What nobody has gone on with for a week will not be asked for again. */
const abandonedMs = 7 * 24 * 60 * 60 * 1000

const namePattern = /^omx-partial-[A-Za-z0-9]+-[0-9a-f]{64}(\.done)?$/

/** The file of the marks: it is there only after that of the bytes, and goes after it. */
const marksSuffix = '.done'

export interface PartialBlobInit {
  /** The folder of the blobs. */
  readonly folder: string
  /** Tells the nodes apart that share a folder: no two write one file. Letters and digits. */
  readonly owner: string
  readonly hex: string
  readonly sizeBytes: number
  /** Where the blob goes when it is complete. */
  readonly target: string
}

export class PartialBlob implements AsyncDisposable {
  readonly pieceBytes = pieceBytes
  readonly #init: PartialBlobInit
  readonly #path: string
  readonly #file: FileHandle
  readonly #marks: FileHandle
  readonly #there: Uint8Array
  #completedBytes = 0
  readonly #hash: FileHash
  /** The first piece that is not there. */
  #front = 0
  /** The last write that was begun. */
  #writing: Promise<unknown> = Promise.resolve()
  #unsyncedBytes = 0
  #syncing: Promise<void> | undefined
  /** The disk tells of a sync that failed only once. */
  #syncError: unknown

  private constructor(init: PartialBlobInit, file: FileHandle, marks: FileHandle, there: Uint8Array) {
    this.#init = init
    this.#path = partialPath(init)
    this.#file = file
    this.#marks = marks
    this.#there = there
    for (const [piece, mark] of there.entries()) if (mark === 1) this.#completedBytes += this.#sizeOf(piece)
    this.#hash = new FileHash(this.#path)
    this.#followFront()
  }

  /** Opens what an earlier run left, or begins. Throws a StoreError. */
  static async open(init: PartialBlobInit): Promise<PartialBlob> {
    const path = partialPath(init)
    await using opened = new AsyncDisposableStack()
    try {
      const file = opened.adopt(await openKept(path), (handle) => handle.close())
      const marks = opened.adopt(await openKept(path + marksSuffix), (handle) => handle.close())
      const there = await marksIn(file, marks, init.sizeBytes)
      const partial = new PartialBlob(init, file, marks, there)
      opened.move()
      return partial
    } catch (error) {
      throw fileError('Writing', path, error)
    }
  }

  get completedBytes(): number {
    return this.#completedBytes
  }

  isThere(piece: number): boolean {
    return this.#there[piece] === 1
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    // One at a time: the kernel lets one writer into a file, and the others would spin for it, a core each.
    const written = this.#writing.then(() => this.#writePiece(piece, bytes))
    this.#writing = written.catch(() => undefined)
    await written
    this.#there[piece] = 1
    this.#completedBytes += bytes.length
    this.#followFront()
  }

  async #writePiece(piece: number, bytes: Uint8Array): Promise<void> {
    try {
      if (this.#syncError !== undefined) throw this.#syncError
      await writeAll(this.#file, bytes, piece * pieceBytes)
      await writeAll(this.#marks, Uint8Array.of(1), piece)
    } catch (error) {
      throw fileError('Writing', this.#path, error)
    }
    this.#unsyncedBytes += bytes.length
    if (this.#unsyncedBytes >= bytesPerSync && this.#syncing === undefined) this.#beginSync()
  }

  /** While others are written. */
  #beginSync(): void {
    this.#unsyncedBytes = 0
    this.#syncing = this.#file
      .datasync()
      .catch((error: unknown) => {
        this.#syncError = error
      })
      .finally(() => {
        this.#syncing = undefined
      })
  }

  /** Once every piece is there. Throws a StoreError `corrupt` where the digest is another, and then removes it. */
  async keep(): Promise<void> {
    const { hex, target } = this.#init
    if (this.#there.includes(0)) throw new StoreError('corrupt', `${this.#path} is not complete. Pull the model again.`)
    const found = await this.#hash.digest(this.#init.sizeBytes).catch((error: unknown) => {
      throw new StoreError('unwritable', `Reading ${this.#path} failed: ${causeText(error)}. Pull the model again.`)
    })
    if (found !== hex) {
      await this.#remove()
      const words = `want sha256:${hex}, got sha256:${found}`
      throw new StoreError('corrupt', `digest mismatch, file must be downloaded again: ${words}`)
    }
    try {
      await this.#syncing
      if (this.#syncError !== undefined) throw this.#syncError
      await this.#file.sync()
      await rename(this.#path, target)
      await using folder = await open(dirname(target))
      await folder.sync()
      await rm(this.#path + marksSuffix, { force: true })
    } catch (error) {
      throw fileError('Writing', target, error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hash[Symbol.dispose]()
    await Promise.allSettled([this.#writing, this.#syncing])
    await Promise.all([this.#file.close(), this.#marks.close()])
  }

  async #remove(): Promise<void> {
    await Promise.all([this.#path, this.#path + marksSuffix].map((path) => rm(path, { force: true })))
  }

  #followFront(): void {
    while (this.isThere(this.#front)) this.#front += 1
    this.#hash.follow(Math.min(this.#front * pieceBytes, this.#init.sizeBytes))
  }

  #sizeOf(piece: number): number {
    return Math.min(pieceBytes, this.#init.sizeBytes - piece * pieceBytes)
  }
}

/** Removes partial blobs that nobody has gone on with for a week, and marks whose blob has got its name. */
export async function removeAbandonedPartials(folder: string): Promise<void> {
  const names = new Set(await readdir(folder))
  for (const name of names) {
    if (!namePattern.test(name)) continue
    const path = join(folder, name)
    const isAlone = name.endsWith(marksSuffix) && !names.has(name.slice(0, -marksSuffix.length))
    if (isAlone || (await isAbandoned(path))) await rm(path, { force: true })
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined)
  return status !== undefined && Date.now() - status.mtimeMs > abandonedMs
}

/** Where the bytes are until the blob is complete. */
export function partialPath({ folder, owner, hex }: PartialBlobInit): string {
  return join(folder, `omx-partial-${owner}-${hex}`)
}

/** For reading and writing, with what is in it. */
function openKept(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o644)
}

/** The marks, if both files are of the size that they were given; else both begin anew. */
async function marksIn(file: FileHandle, marks: FileHandle, sizeBytes: number): Promise<Uint8Array> {
  const there = new Uint8Array(Math.ceil(sizeBytes / pieceBytes))
  const [files, marked] = await Promise.all([file.stat(), marks.stat()])
  if (files.size === sizeBytes && marked.size === there.length) {
    await marks.read(there, 0, there.length, 0)
    return there
  }
  await marks.truncate(0)
  await file.truncate(sizeBytes)
  await marks.truncate(there.length)
  return there
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let start = 0; start < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, start, bytes.length - start, position + start)
    start += bytesWritten
  }
}
