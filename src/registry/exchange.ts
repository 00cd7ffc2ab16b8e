/** One HTTP request to a registry or to where it keeps its blobs, and its answer's head; the body is read as it comes. */
import { lookup as systemLookup } from 'node:dns'
import { type IncomingHttpHeaders, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { request as secureRequest, Agent as TlsAgent } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { RegistryError } from './errors.ts'
import { isPrivateAddress } from './private-address.ts'

/** Neither side says anything for this long: Ollama restarts a part then. */
const maxSilenceMs = 30_000

/** Connections to one host: the parts of two downloads and what is asked beside them. */
const maxConnections = 24

/** What a registry says about a failure is read up to here. */
const maxWordsBytes = 4096

/** What is read as a whole has come by then, however slowly: nobody sees it come, or can tell that it still does. */
const maxWholeMs = 60_000

export interface ExchangeInit {
  /** Default: above. */
  readonly maxSilenceMs?: number
  readonly maxWholeMs?: number
  readonly lookup?: LookupFunction
  readonly isPrivate?: (address: string) => boolean
}

export interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Whether the answer may come from this machine or its network. */
  readonly allowsPrivate: boolean
  readonly body?: Uint8Array | Readable
}

export interface Answered {
  readonly url: URL
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** To be read to its end, by `chunks` or `read`, or destroyed. */
  readonly body: IncomingMessage
  /** Whether it came from this machine or its network. */
  readonly isPrivate: boolean
}

/** Keeps connections open between requests, in two pools: one never holds a connection to a private address. */
export class Exchange implements Disposable {
  readonly #maxSilenceMs: number
  readonly #maxWholeMs: number
  readonly #isPrivate: (address: string) => boolean
  readonly #agents: Readonly<Record<string, PlainAgent>>

  constructor(init: ExchangeInit = {}) {
    const lookup = init.lookup ?? (systemLookup as LookupFunction)
    this.#maxSilenceMs = init.maxSilenceMs ?? maxSilenceMs
    this.#maxWholeMs = init.maxWholeMs ?? maxWholeMs
    this.#isPrivate = init.isPrivate ?? isPrivateAddress
    const options = { keepAlive: true, maxSockets: maxConnections, scheduling: 'lifo' as const }
    const open = { ...options, lookup }
    const guarded = { ...options, lookup: publicOnly(lookup, this.#isPrivate) }
    this.#agents = {
      'http: open': new PlainAgent(open),
      'http: guarded': new PlainAgent(guarded),
      'https: open': new TlsAgent(open),
      'https: guarded': new TlsAgent(guarded),
    }
  }

  [Symbol.dispose](): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  /** Follows no redirect. Throws a RegistryError `unreachable`, `stalled` or `forbidden-address`, or the signal's reason. */
  send({ method, url, headers, signal, allowsPrivate, body }: Asked): Promise<Answered> {
    signal.throwIfAborted()
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!allowsPrivate && isIP(host) !== 0 && this.#isPrivate(host)) throw forbidden(url.host)
    const agent = this.#agents[`${url.protocol} ${allowsPrivate ? 'open' : 'guarded'}`]
    if (agent === undefined) throw new RegistryError('protocol', `${url.protocol} is no protocol of a registry`)
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? secureRequest : plainRequest
      const request = send(url, { method, headers, agent, signal, timeout: this.#maxSilenceMs })
      request.on('error', (error) => reject(asRegistryError(url, error, signal)))
      request.once('timeout', () => request.destroy(this.#silence(url)))
      request.once('response', (answer) => {
        request.setTimeout(0) // From here on `chunks` looks.
        // A connection that is reset already has no address any more, and is taken for a public one.
        const { remoteAddress } = request.socket ?? {}
        const isPrivate = remoteAddress !== undefined && this.#isPrivate(remoteAddress)
        resolve({ url, status: answer.statusCode ?? 0, headers: answer.headers, body: answer, isPrivate })
      })
      if (body === undefined || body instanceof Uint8Array) return void request.end(body)
      body.once('error', (error) => request.destroy(error))
      body.pipe(request)
    })
  }

  /**
   * The bytes of a body as they come; leaving the loop ends it. It is silent only while somebody waits for it, and not
   * while they are busy with what has come. Throws what the stream does, or a RegistryError `stalled`.
   */
  async *chunks({ body, url }: Answered): AsyncGenerator<Buffer, void, void> {
    let isWaiting = true
    const timer = setTimeout(() => {
      if (isWaiting) body.destroy(this.#silence(url))
    }, this.#maxSilenceMs)
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        isWaiting = false
        yield chunk
        isWaiting = true
        timer.refresh()
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #silence(url: URL): RegistryError {
    return new RegistryError('stalled', `${url.host} sent nothing for ${this.#maxSilenceMs / 1000} s`)
  }

  /** A small body to its end, or to the first chunk beyond `maxBytes`. Throws what the stream does, or a RegistryError. */
  async read(answer: Answered, maxBytes: number): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
    const late = new RegistryError('stalled', `an answer did not come to its end within ${this.#maxWholeMs / 1000} s`)
    const limit = setTimeout(() => answer.body.destroy(late), this.#maxWholeMs)
    const chunks: Buffer[] = []
    let bytes = 0
    try {
      for await (const chunk of this.chunks(answer)) {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > maxBytes) break
      }
    } finally {
      clearTimeout(limit)
    }
    return { bytes: Buffer.concat(chunks), isWhole: bytes <= maxBytes }
  }

  /** What an answer that is no success says, cut to a length that people read. */
  async words(answer: Answered): Promise<string> {
    const nothing = { bytes: Buffer.alloc(0) }
    const { bytes } = await this.read(answer, maxWordsBytes).catch(() => nothing)
    return bytes.subarray(0, maxWordsBytes).toString('utf8').trim()
  }
}

/** Resolves names to public addresses alone; a name that has none is refused. */
function publicOnly(lookup: LookupFunction, isPrivate: (address: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [])
      const addresses = (found as { address: string; family: number }[]).filter(({ address }) => !isPrivate(address))
      const [first] = addresses
      if (first === undefined) callback(forbidden(host), [])
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

function forbidden(host: string): RegistryError {
  const words = `the registry points at ${host}, an address of this machine or its network`
  return new RegistryError('forbidden-address', `${words}: it is public, so that is not followed`)
}

/** What broke a request or the body of its answer. The reason of `signal`, when that has aborted. */
export function asRegistryError(url: URL, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof RegistryError) return error
  const { message, code } = error as NodeJS.ErrnoException
  return new RegistryError('unreachable', `${url.host} cannot be reached: ${code ?? message}`, { cause: error })
}
