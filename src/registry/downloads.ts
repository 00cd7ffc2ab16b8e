/** The blobs that are on their way: each is fetched once, for everybody who wants it, and only while somebody does. */
import { setMaxListeners } from 'node:events'
import { download } from './download.ts'
import type { Rate } from './rate.ts'
import type { Registry } from './registry.ts'
import type { Patience } from './retries.ts'
import type { Blob, Shelf } from './shelf.ts'

/** A blob under way. */
interface Entry {
  completedBytes: number
  readonly arrived: Promise<void>
  readonly kept: Promise<void>
  wanted: number
  readonly stop: AbortController
}

export interface Wanted {
  readonly blob: Blob
  readonly registry: Registry
  readonly signal: AbortSignal
}

/** One person's part in a blob that is fetched. */
export interface Claim {
  readonly completedBytes: number
  /** All bytes are there. Rejects with why not, or with the signal's reason. */
  readonly arrived: Promise<void>
  /** The digest is right, and the blob has its name. Rejects likewise. */
  readonly kept: Promise<void>
}

export class Downloads {
  readonly #shelf: Shelf
  readonly #rate: Rate
  readonly #patience: Patience | undefined
  readonly #entries = new Map<string, Entry>()

  /** `rate`: of all of them together. */
  constructor(shelf: Shelf, rate: Rate, patience?: Patience) {
    this.#shelf = shelf
    this.#rate = rate
    this.#patience = patience
  }

  /** Joins the blob's download, or begins it. Leaves it with the signal; the last to leave ends it. */
  async claim({ blob, registry, signal }: Wanted): Promise<Claim> {
    for (let ending = this.#ending(blob); ending !== undefined; ending = this.#ending(blob)) {
      // Its file is closed before anybody else opens it.
      await ending.kept.catch(() => undefined)
    }
    // What has aborted tells nobody so any more.
    signal.throwIfAborted()
    const entry = this.#entries.get(blob.digest) ?? this.#begin(blob, registry)
    entry.wanted += 1
    const gone = Promise.withResolvers<never>()
    gone.promise.catch(() => undefined)
    const leave = () => {
      entry.wanted -= 1
      if (entry.wanted === 0) entry.stop.abort(signal.reason)
      gone.reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    const done = () => signal.removeEventListener('abort', leave)
    entry.kept.then(done, done)
    const kept = Promise.race([entry.kept, gone.promise])
    kept.catch(() => undefined)
    return {
      get completedBytes() {
        return entry.completedBytes
      },
      arrived: Promise.race([entry.arrived, gone.promise]),
      kept,
    }
  }

  #ending({ digest }: Blob): Entry | undefined {
    const entry = this.#entries.get(digest)
    return entry?.stop.signal.aborted === true ? entry : undefined
  }

  #begin(blob: Blob, registry: Registry): Entry {
    const arrived = Promise.withResolvers<void>()
    const kept = Promise.withResolvers<void>()
    for (const { promise } of [arrived, kept]) promise.catch(() => undefined)
    const stop = new AbortController()
    // Every part of the blob listens.
    setMaxListeners(0, stop.signal)
    const entry = { completedBytes: 0, arrived: arrived.promise, kept: kept.promise, wanted: 0, stop }
    this.#entries.set(blob.digest, entry)
    const fail = (error: unknown) => {
      arrived.reject(error)
      kept.reject(error)
    }
    void this.#run(blob, registry, entry, arrived.resolve)
      .finally(() => this.#entries.delete(blob.digest))
      .then(kept.resolve, fail)
    return entry
  }

  async #run(blob: Blob, registry: Registry, entry: Entry, onArrived: () => void): Promise<void> {
    const { signal } = entry.stop
    await using partial = await this.#shelf.openPartial(blob)
    entry.completedBytes = partial.completedBytes
    const onBytes = (bytes: number) => {
      entry.completedBytes += bytes
    }
    const patience = this.#patience === undefined ? {} : { patience: this.#patience }
    await download({ registry, blob, partial, rate: this.#rate, signal, onBytes, ...patience })
    onArrived()
    await partial.keep()
  }
}
