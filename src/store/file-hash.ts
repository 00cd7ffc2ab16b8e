/** SHA-256 of a file while it is written, computed by one thread for all files, which lives as long as somebody needs it. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { HashAnswer, HashOrder } from './hash-thread.ts'

/** The thread is told of so many new bytes at once: a message costs more than a small piece's hash. */
const bytesPerOrder = 8 * 1024 * 1024

/** A thread that nobody needs ends after this long: a model has several blobs, one soon after another. */
const lingerMs = 5000

/** MB of the thread's heap: its bytes are in one buffer beside it. */
const maxHeapMegabytes = 32

export class FileHash implements Disposable {
  readonly #thread: HashThread
  readonly #id: number
  #orderedBytes = 0
  #isOpen = true

  /** Of a file that is there, and may be empty still. */
  constructor(path: string) {
    this.#thread = HashThread.current()
    this.#id = this.#thread.open(path)
  }

  /** All bytes before this one are in the file. They never change again. */
  follow(toBytes: number): void {
    if (toBytes - this.#orderedBytes < bytesPerOrder) return
    this.#orderedBytes = toBytes
    this.#thread.order({ id: this.#id, toBytes })
  }

  /** In hex, of so many bytes, which are in the file. Once. Throws what the file's reading throws. */
  digest(sizeBytes: number): Promise<string> {
    this.#isOpen = false
    return this.#thread.digest(this.#id, sizeBytes)
  }

  /** Without effect once its digest was asked for. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#thread.drop(this.#id)
  }
}

class HashThread {
  static #current: HashThread | undefined
  readonly #worker: Worker
  readonly #open = new Set<number>()
  readonly #asked = new Map<number, PromiseWithResolvers<string>>()
  #lastId = 0
  #lingering: NodeJS.Timeout | undefined
  /** Why it is no more. */
  #ended: Error | undefined

  private constructor() {
    const code = new URL(`./hash-thread${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(code, { resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes } })
    this.#worker.on('message', (answer: HashAnswer) => this.#hear(answer))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(new Error('the thread that hashes files has ended')))
    // Only a digest that somebody waits for keeps the process.
    this.#worker.unref()
  }

  static current(): HashThread {
    HashThread.#current ??= new HashThread()
    return HashThread.#current
  }

  open(path: string): number {
    clearTimeout(this.#lingering)
    const id = ++this.#lastId
    this.#open.add(id)
    this.order({ id, path })
    return id
  }

  order(order: HashOrder): void {
    this.#worker.postMessage(order)
  }

  digest(id: number, toBytes: number): Promise<string> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const asked = Promise.withResolvers<string>()
    this.#asked.set(id, asked)
    this.#worker.ref()
    this.order({ id, toBytes, isWhole: true })
    return asked.promise
  }

  drop(id: number): void {
    this.order({ id, isDropped: true })
    this.#forget(id)
  }

  #hear({ id, hex, error }: HashAnswer): void {
    const asked = this.#asked.get(id)
    this.#forget(id)
    if (hex === undefined) asked?.reject(error)
    else asked?.resolve(hex)
  }

  #forget(id: number): void {
    this.#open.delete(id)
    this.#asked.delete(id)
    if (this.#asked.size === 0) this.#worker.unref()
    if (this.#open.size > 0) return
    this.#lingering = setTimeout(() => {
      this.#leave()
      void this.#worker.terminate()
    }, lingerMs).unref()
  }

  /** Who waits hears of it; who comes next gets another thread. */
  #end(error: Error): void {
    this.#ended ??= error
    this.#leave()
    for (const { reject } of this.#asked.values()) reject(error)
    this.#asked.clear()
  }

  #leave(): void {
    clearTimeout(this.#lingering)
    if (HashThread.#current === this) HashThread.#current = undefined
  }
}
