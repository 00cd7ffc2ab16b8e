/**
 * A file being written: under a name of its own until it is complete and on the disk, then renamed in one step.
 * What a killed process left behind is found by that name, which tells the host and process it belonged to.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { fileError, systemCode } from './store-error.ts'

/** Age from which a staged file belongs to nobody: a live writer touches it with every chunk. */
const abandonedMs = 60 * 60 * 1000

/** Bytes written in one call: long enough to be cheap, short enough not to hold the event loop while hashing. */
const maxWriteBytes = 1024 * 1024

const host = hostname().replace(/[^A-Za-z0-9]/g, '') || 'host'

/** Tells this process from an earlier one with the same number, as the first process of a container has. */
const processTag = randomBytes(4).toString('hex')

const namePattern = /^omx-staged-([A-Za-z0-9]+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{16}$/

export class StagedFile implements AsyncDisposable {
  readonly path: string
  readonly #file: FileHandle
  #open = true
  #position = 0

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** Creates an empty one in `folder`. Throws a StoreError when the folder cannot be written. */
  static async create(folder: string): Promise<StagedFile> {
    const name = `omx-staged-${host}-${process.pid}-${processTag}-${randomBytes(8).toString('hex')}`
    const path = join(folder, name)
    try {
      return new StagedFile(path, await open(path, 'wx+', 0o644))
    } catch (error) {
      throw fileError('Writing to', folder, error)
    }
  }

  get sizeBytes(): number {
    return this.#position
  }

  /** Appends bytes; `onSlice` sees each slice once it is written. Resolves when the system has taken all of them. */
  async write(bytes: Uint8Array, onSlice?: (slice: Uint8Array) => void): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      const slice = bytes.subarray(start, start + maxWriteBytes)
      const { bytesWritten } = await this.#file.write(slice, 0, slice.length, this.#position)
      this.#position += bytesWritten
      start += bytesWritten
      onSlice?.(slice.subarray(0, bytesWritten))
    }
  }

  /** Takes what another program has written under its path. `onSlice` sees all of it. */
  async adopt(onSlice: (slice: Uint8Array) => void): Promise<void> {
    this.#position = 0
    const buffer = Buffer.allocUnsafe(maxWriteBytes)
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#position)
      if (bytesRead === 0) return
      onSlice(buffer.subarray(0, bytesRead))
      this.#position += bytesRead
    }
  }

  /** Forgets what was written behind so many bytes. */
  async cut(sizeBytes: number): Promise<void> {
    await this.#file.truncate(sizeBytes)
    this.#position = sizeBytes
  }

  /** Everything is on the disk; nothing more is written. */
  async seal(): Promise<void> {
    await this.#file.sync()
    this.#open = false
    await this.#file.close()
  }

  /** Gives the sealed file its name, replacing what was there, and makes the renaming itself last. */
  async moveTo(path: string): Promise<void> {
    await rename(this.path, path)
    await using folder = await open(dirname(path))
    await folder.sync()
  }

  /** Removes it, unless it was moved. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#open) await this.#file.close()
      this.#open = false
    } finally {
      await unlinkIfThere(this.path)
    }
  }
}

/** Removes what ended processes left in `folder`; files of anybody else are never touched. */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (await isAbandoned(path, name)) await unlinkIfThere(path)
  }
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const [, ownerHost, ownerPid, ownerTag] = namePattern.exec(name) ?? []
  if (ownerHost === undefined || ownerTag === processTag) return false
  if (ownerHost === host && !isRunning(Number(ownerPid))) return true
  const status = await stat(path).catch(() => undefined)
  return status !== undefined && Date.now() - status.mtimeMs > abandonedMs
}

/** Whether another process has this number; our own would carry our tag. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (systemCode(error) !== 'ENOENT') throw fileError('Removing', path, error)
  })
}
