/**
 * Sends one blob to a registry, as Ollama does: asked for first, begun, sent in parts one after the other, each to where the
 * registry says, and closed with its digest. What broke off goes on from where the registry has got.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import { RegistryError } from './errors.ts'
import type { Answered } from './exchange.ts'
import type { Registry } from './registry.ts'
import { type Patience, partPatience, retrying } from './retries.ts'
import type { Blob } from './shelf.ts'

/** Ollama's parts: a sixteenth of the blob, within these. Registries keep each as one object. */
const parts = 16
const defaultMinPartBytes = 100_000_000
const maxPartBytes = 1_000_000_000

export interface UploadInit {
  readonly registry: Registry
  readonly blob: Blob
  readonly bytes: ReadableBlob
  readonly signal: AbortSignal
  /** Default: six tries. */
  readonly patience?: Patience
  /** Default: Ollama's. */
  readonly minPartBytes?: number
}

export class Upload {
  readonly #init: UploadInit
  readonly #path: string
  /** Where the next part goes; undefined: not begun. */
  #place: URL | undefined
  #at = 0
  /** Of the part that is being sent, too. */
  #sentBytes = 0
  /** Of the parts that were sent; the registry's storage names the whole by them. */
  #md5s: Buffer[] = []

  constructor(init: UploadInit) {
    this.#init = init
    this.#path = `/v2/${init.registry.remote.repository}/blobs/`
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  /** Resolves when the registry has the blob. Throws a RegistryError, what reading throws, or the signal's reason. */
  async run(): Promise<void> {
    const { signal, patience = partPatience, blob, bytes } = this.#init
    if (bytes.sizeBytes !== blob.sizeBytes)
      throw new RegistryError('protocol', `${blob.digest} has ${bytes.sizeBytes} bytes instead of ${blob.sizeBytes}`)
    await retrying(patience, signal, async (progressed) => {
      if (await this.#isThere()) return
      await this.#goOn()
      try {
        while (this.#place !== undefined && this.#at < blob.sizeBytes) {
          await this.#part(this.#place)
          progressed()
        }
        if (this.#place !== undefined) await this.#finish(this.#place)
      } catch (error) {
        throw this.#begunAgain(error)
      }
    })
  }

  /** A registry that was started anew knows nothing of the upload: that is no reason to give up. */
  #begunAgain(error: unknown): unknown {
    if (!(error instanceof RegistryError) || error.code !== 'not-found') return error
    this.#place = undefined
    return new RegistryError('unreachable', 'the registry has forgotten an upload that was under way', { cause: error })
  }

  async #isThere(): Promise<boolean> {
    const { registry, blob, signal } = this.#init
    try {
      const answer = await registry.ask({ method: 'HEAD', path: this.#path + blob.digest, signal })
      registry.discard(answer)
      return true
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'not-found') return false
      throw error
    }
  }

  /** From where the registry has got, or from the start. */
  async #goOn(): Promise<void> {
    const { registry, signal, blob } = this.#init
    if (this.#place !== undefined && this.#md5s.length === 0) {
      const answer = await registry.askOnce({ method: 'GET', path: '', signal }, this.#place).catch(() => undefined)
      if (answer !== undefined) registry.discard(answer)
      const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(answer?.headers.range ?? '') ?? []
      if (answer?.status === 204 && last !== undefined) {
        this.#moveTo(Number(last) === 0 ? 0 : Math.min(Number(last) + 1, blob.sizeBytes))
        this.#place = placeOf(answer) ?? this.#place
        return
      }
    }
    this.#md5s = []
    this.#moveTo(0)
    const answer = await registry.askOnce({ method: 'POST', path: `${this.#path}uploads/`, signal, body: nothing })
    registry.discard(answer)
    this.#place = answer.status === 201 ? undefined : needed(answer)
  }

  async #part(place: URL): Promise<void> {
    const { registry, blob, signal, minPartBytes = defaultMinPartBytes } = this.#init
    const size = Math.min(Math.max(Math.ceil(blob.sizeBytes / parts), minPartBytes), maxPartBytes)
    const [start, end] = [this.#at, Math.min(this.#at + size, blob.sizeBytes)]
    const headers = { ...this.#headers(start, end), 'content-range': `${start}-${end - 1}`, 'x-redirect-uploads': '1' }
    const body = () => this.#bytes(start, end)
    const answer = await registry.askOnce({ method: 'PATCH', path: '', signal, headers, body }, place)
    registry.discard(answer)
    if (answer.status === 307) await this.#store(answer, start, end)
    this.#moveTo(end)
    this.#place = placeOf(answer) ?? place
  }

  /** A part that the registry wants elsewhere. */
  async #store({ headers, url }: Answered, start: number, end: number): Promise<void> {
    const { registry, signal } = this.#init
    const place = registry.redirected(url, headers.location)
    const md5 = createHash('md5')
    const body = () => this.#bytes(start, end, (chunk) => md5.update(chunk))
    this.#moveTo(start)
    const answer = await registry.askOnce(
      { method: 'PUT', path: '', signal, headers: this.#headers(start, end), body },
      place,
    )
    registry.discard(answer)
    this.#md5s.push(md5.digest())
  }

  async #finish(place: URL): Promise<void> {
    const { registry, blob, signal } = this.#init
    const url = new URL(place)
    url.searchParams.set('digest', blob.digest)
    if (this.#md5s.length > 0) {
      const all = createHash('md5').update(Buffer.concat(this.#md5s)).digest('hex')
      url.searchParams.set('etag', `${all}-${this.#md5s.length}`)
    }
    const headers = { 'content-type': 'application/octet-stream', 'content-length': '0' }
    const answer = await registry.askOnce({ method: 'PUT', path: '', signal, headers, body: nothing }, url)
    registry.discard(answer)
  }

  #headers(start: number, end: number): Record<string, string> {
    return { 'content-type': 'application/octet-stream', 'content-length': String(end - start) }
  }

  #bytes(start: number, end: number, onChunk?: (chunk: Uint8Array) => void): Readable {
    return Readable.from(this.#counted(start, end, onChunk), { objectMode: false })
  }

  async *#counted(start: number, end: number, onChunk?: (chunk: Uint8Array) => void): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#init.bytes.read(start, end)) {
      onChunk?.(chunk)
      this.#sentBytes += chunk.length
      yield chunk
    }
  }

  #moveTo(at: number): void {
    this.#at = at
    this.#sentBytes = at
  }
}

const nothing = new Uint8Array()

function placeOf({ headers, url }: Answered): URL | undefined {
  const location = headers['docker-upload-location'] ?? headers.location
  return typeof location === 'string' && URL.canParse(location, url.href) ? new URL(location, url) : undefined
}

function needed(answer: Answered): URL {
  const place = placeOf(answer)
  if (place !== undefined) return place
  throw new RegistryError('protocol', `${answer.url.host} does not say where a blob is to be sent`)
}
