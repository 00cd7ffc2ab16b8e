/**
 * The thread that computes SHA-256 of files which others still write, for `file-hash.ts`: SHA-256 of a large model takes
 * seconds of a core, and the event loop has none to give. It takes turns between files, so that a long one holds up nobody.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

/** Of which file; the rest says what to do with it. */
export interface HashOrder {
  readonly id: number
  /** The first order: opens it. */
  readonly path?: string
  /** All bytes before this one are in the file. */
  readonly toBytes?: number
  /** What `toBytes` says last is the whole file: its hash is wanted. */
  readonly isWhole?: boolean
  /** Nobody wants it any more. */
  readonly isDropped?: boolean
}

/** The answer for a whole file, which is closed by then. */
export interface HashAnswer {
  readonly id: number
  readonly hex?: string
  readonly error?: Error
}

/** Read at once. */
const readBytes = 1024 * 1024

/** Hashed of one file before it is the next one's turn. */
const turnBytes = 16 * readBytes

/** One for all files: each is read and hashed without a pause between. */
const buffer = Buffer.allocUnsafeSlow(readBytes)

class GrowingFile {
  readonly #hash: Hash = createHash('sha256')
  readonly #fd: number
  #atBytes = 0
  toBytes = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
  }

  get isBehind(): boolean {
    return this.#atBytes < this.toBytes
  }

  turn(): void {
    const endBytes = Math.min(this.toBytes, this.#atBytes + turnBytes)
    while (this.#atBytes < endBytes) {
      const read = readSync(this.#fd, buffer, 0, Math.min(readBytes, endBytes - this.#atBytes), this.#atBytes)
      if (read === 0) throw new Error(`the file ends after ${this.#atBytes} of ${this.toBytes} bytes`)
      this.#hash.update(buffer.subarray(0, read))
      this.#atBytes += read
    }
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** A file that cannot be opened or read is its error, until somebody asks. */
const files = new Map<number, GrowingFile | Error>()
/** Whose hash is wanted. */
const whole = new Set<number>()
let isAwake = false

parentPort?.on('message', ({ id, path, toBytes, isWhole, isDropped }: HashOrder) => {
  if (path !== undefined) attempt(id, () => files.set(id, new GrowingFile(path)))
  const file = files.get(id)
  if (file instanceof GrowingFile && toBytes !== undefined) file.toBytes = toBytes
  if (isWhole === true) whole.add(id)
  if (isDropped === true) close(id)
  wake()
})

function wake(): void {
  if (isAwake) return
  isAwake = true
  setImmediate(takeTurns)
}

/** A turn for each file that is behind, then whatever orders have come. */
function takeTurns(): void {
  isAwake = false
  for (const [id, file] of files) {
    if (file instanceof GrowingFile) attempt(id, () => file.turn())
    const now = files.get(id)
    if (now instanceof GrowingFile && now.isBehind) wake()
    else if (whole.has(id)) answer(id, now)
  }
}

function answer(id: number, file: GrowingFile | Error | undefined): void {
  const result = file instanceof GrowingFile ? { hex: file.digest() } : { error: file ?? new Error('unknown file') }
  close(id)
  parentPort?.postMessage({ id, ...result } satisfies HashAnswer)
}

function attempt(id: number, act: () => void): void {
  try {
    act()
  } catch (error) {
    const file = files.get(id)
    if (file instanceof GrowingFile) file.close()
    files.set(id, error as Error)
  }
}

function close(id: number): void {
  const file = files.get(id)
  if (file instanceof GrowingFile) file.close()
  files.delete(id)
  whole.delete(id)
}
