/** Reads a file forwards through a window of fixed size; what is skipped is not read from the disk. */
import type { FileHandle } from 'node:fs/promises'

/** Bytes read at once: a few milliseconds of decoding between two turns of the event loop. */
const windowBytes = 1024 * 1024

/** Thrown when a value lies behind the end of the file. */
export class EndOfFileError extends Error {
  override readonly name = 'EndOfFileError'
}

export class FileCursor {
  readonly sizeBytes: number
  readonly #file: FileHandle
  readonly #window = Buffer.allocUnsafe(windowBytes)
  /** Where the window begins in the file, how much of it is filled, and the position in it. */
  #start = 0
  #filled = 0
  #at = 0

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  get offset(): number {
    return this.#start + this.#at
  }

  /** Bytes that can be taken without waiting. */
  get ready(): number {
    return this.#filled - this.#at
  }

  /** Makes `bytes` (at most the window) ready. Throws an EndOfFileError when the file has not so many left. */
  async fill(bytes: number): Promise<void> {
    if (this.ready >= bytes) return
    this.#start = this.offset
    this.#filled = await this.#read(this.#window, this.#start)
    this.#at = 0
    if (this.#filled < bytes) throw this.#ended(bytes)
  }

  uint32(): number {
    return this.#window.readUInt32LE(this.#take(4))
  }

  uint64(): bigint {
    return this.#window.readBigUInt64LE(this.#take(8))
  }

  /** A view of the next ready bytes, valid until the next `fill`. */
  view(bytes: number): Buffer {
    const start = this.#take(bytes)
    return this.#window.subarray(start, start + bytes)
  }

  /** Moves on by any distance within the file. */
  skip(bytes: number): void {
    if (this.offset + bytes > this.sizeBytes) throw this.#ended(bytes)
    if (bytes <= this.ready) {
      this.#at += bytes
      return
    }
    this.#start = this.offset + bytes
    this.#filled = 0
    this.#at = 0
  }

  /** A copy of the next bytes, however many. */
  async bytes(count: number): Promise<Buffer> {
    if (count <= windowBytes) {
      await this.fill(count)
      return this.view(count)
    }
    if (this.offset + count > this.sizeBytes) throw this.#ended(count)
    const copy = Buffer.allocUnsafe(count)
    if ((await this.#read(copy, this.offset)) < count) throw this.#ended(count)
    this.skip(count)
    return copy
  }

  #take(bytes: number): number {
    const at = this.#at
    this.#at += bytes
    return at
  }

  async #read(target: Buffer, position: number): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const { bytesRead } = await this.#file.read(target, filled, target.length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  #ended(bytes: number): EndOfFileError {
    return new EndOfFileError(`it ends after ${this.sizeBytes} bytes, where ${bytes} more belong at ${this.offset}`)
  }
}
