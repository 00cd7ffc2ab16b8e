/** Brings one blob from a registry into a partial file: in parts that run side by side, each continued where it broke. */
import { RegistryError } from './errors.ts'
import type { Answered } from './exchange.ts'
import type { Rate } from './rate.ts'
import type { Registry } from './registry.ts'
import { type Patience, partPatience, retrying } from './retries.ts'
import type { Blob, Partial } from './shelf.ts'

/** Parts at once: enough to fill a link whose single streams are slow. */
const parallelParts = 8

/** Bytes asked for at once, at most and at least: so many that the way to the first byte costs little. */
const maxPartBytes = 64 * 1024 * 1024
const minPartBytes = 8 * 1024 * 1024

/** Of what is left, a part is this share of an even share: ever smaller ones end together (guided self-scheduling). */
const shareOfEven = 0.5

export interface DownloadInit {
  readonly registry: Registry
  readonly blob: Blob
  readonly partial: Partial
  readonly rate: Rate
  readonly signal: AbortSignal
  /** Hears each number of bytes that has come; negative ones are asked for again. */
  readonly onBytes: (bytes: number) => void
  /** Default: six tries. */
  readonly patience?: Patience
}

/** From byte `at` up to `end`, which comes no more. */
interface Part {
  at: number
  end: number
}

/** Resolves when every piece is there. Throws a RegistryError, what writing throws, or the signal's reason. */
export async function download(init: DownloadInit): Promise<void> {
  await new Download(init).run()
}

class Download {
  readonly #init: DownloadInit
  readonly #path: string
  /** Ends the other parts when one fails. */
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  /** Where the next part begins. */
  #next = 0
  /** Where the blob itself lies; asked for again when that ends. */
  #direct: URL | undefined

  constructor(init: DownloadInit) {
    this.#init = init
    this.#path = `/v2/${init.registry.remote.repository}/blobs/${init.blob.digest}`
    this.#signal = AbortSignal.any([init.signal, this.#stop.signal])
  }

  async run(): Promise<void> {
    const first = this.#nextPart()
    if (first === undefined) return
    // Only the answer to the first tells whether there can be others beside it.
    const others = Promise.withResolvers<void>()
    const workers = [this.#work(first, others.resolve)]
    await Promise.race([others.promise, workers[0]]).catch(() => undefined)
    while (workers.length < parallelParts) workers.push(this.#work(this.#nextPart()))
    try {
      await Promise.all(workers)
    } catch (error) {
      this.#stop.abort(error)
      await Promise.allSettled(workers)
      throw error
    }
  }

  async #work(first: Part | undefined, onRanges?: () => void): Promise<void> {
    if (first === undefined) return
    const { partial, blob } = this.#init
    // One for all its parts: what is outside of V8's heap makes it collect all of that.
    const piece = Buffer.allocUnsafe(Math.min(partial.pieceBytes, blob.sizeBytes))
    for (let part: Part | undefined = first; part !== undefined; part = this.#nextPart()) {
      await this.#fetch(part, piece, onRanges)
    }
  }

  /** The next bytes that are missing, from the start of a piece on. */
  #nextPart(): Part | undefined {
    const { partial, blob } = this.#init
    const { pieceBytes } = partial
    let at = this.#next
    while (at < blob.sizeBytes && partial.isThere(at / pieceBytes)) at += pieceBytes
    const share = ((blob.sizeBytes - at) / parallelParts) * shareOfEven
    const most = at + Math.min(maxPartBytes, Math.max(minPartBytes, share))
    let end = at
    while (end < blob.sizeBytes && end < most && !partial.isThere(end / pieceBytes)) end += pieceBytes
    this.#next = end
    return at < blob.sizeBytes ? { at, end: Math.min(end, blob.sizeBytes) } : undefined
  }

  async #fetch(part: Part, piece: Buffer, onRanges: (() => void) | undefined): Promise<void> {
    await retrying(this.#init.patience ?? partPatience, this.#signal, async (progressed) => {
      // It may have broken after its last byte.
      if (part.at === part.end) return
      const answer = await this.#ask(part)
      if (answer.status === 206) onRanges?.()
      const taking = this.#take(answer, part, piece, progressed)
      await taking.catch((error) => {
        // The place may have moved.
        this.#direct = undefined
        throw error
      })
    })
  }

  async #ask(part: Part): Promise<Answered> {
    const headers = { range: `bytes=${part.at}-${part.end - 1}` }
    const ask = { method: 'GET', path: this.#path, headers, signal: this.#signal } as const
    const { registry, blob } = this.#init
    const answer = await registry.ask(ask, this.#direct).catch((error: RegistryError) => {
      if (this.#direct === undefined) throw error
      this.#direct = undefined
      // A place that was lent for a time; the registry says where the next one is.
      throw error.code === 'unauthorized' || error.code === 'not-found' ? moved(error) : error
    })
    this.#direct = answer.url
    const encoding = answer.headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity') throw unasked(answer, `${encoding} bytes`)
    if (answer.status === 206) {
      const range = answer.headers['content-range']
      if (range !== `bytes ${part.at}-${part.end - 1}/${blob.sizeBytes}`) throw unasked(answer, `range ${range}`)
    } else if (answer.status === 200) {
      // It knows no ranges, so this part is the whole blob, from the start.
      const bytes = Number(answer.headers['content-length'] ?? blob.sizeBytes)
      if (bytes !== blob.sizeBytes) throw unasked(answer, `${bytes} bytes instead of ${blob.sizeBytes}`)
      Object.assign(part, { at: 0, end: blob.sizeBytes })
      this.#next = blob.sizeBytes
    } else throw unasked(answer, `status ${answer.status}`)
    return answer
  }

  /** Writes what comes piece by piece; `part.at` is where it goes on. */
  async #take(answer: Answered, part: Part, piece: Buffer, progressed: () => void): Promise<void> {
    const { partial, rate, onBytes } = this.#init
    let filled = 0
    try {
      for await (const chunk of answer.body) {
        for (let from = 0; from < chunk.length; ) {
          const wanted = Math.min(piece.length, part.end - part.at) - filled
          if (wanted === 0) return // More than was asked for: leaving the loop ends it.
          const taken = chunk.copy(piece, filled, from, from + wanted)
          from += taken
          filled += taken
          onBytes(taken)
          if (taken < wanted) continue
          if (!partial.isThere(part.at / partial.pieceBytes)) {
            await partial.write(part.at / partial.pieceBytes, piece.subarray(0, filled))
            progressed()
          } else onBytes(-filled)
          part.at += filled
          filled = 0
        }
        await rate.take(chunk.length, this.#signal)
        this.#signal.throwIfAborted()
      }
      if (part.at < part.end) throw unasked(answer, `an end after ${part.at + filled} bytes`)
    } catch (error) {
      onBytes(-filled)
      answer.body.destroy()
      throw error
    }
  }
}

function moved(cause: RegistryError): RegistryError {
  return new RegistryError('unreachable', `the place of the blob has ended: ${cause.message}`, { cause })
}

function unasked({ body, url }: Answered, what: string): RegistryError {
  body.destroy()
  return new RegistryError('protocol', `${url.host} answers the request for a part of a blob with ${what}`)
}
