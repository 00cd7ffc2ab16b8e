/** One HTTP request to a registry or to where it keeps its blobs, and its answer's head; the body is read as it comes. */
import { lookup as systemLookup } from 'node:dns'
import type { IncomingHttpHeaders } from 'node:http'
import { isIP, type LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { EnvHttpProxyAgent } from 'undici'
import { AnswerBody } from './answer-body.ts'
import { connectionsTo, connectorOf } from './connection.ts'
import { RegistryError } from './errors.ts'
import { isPrivateAddress } from './private-address.ts'
import type { Proxies } from './proxies.ts'

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
  readonly proxies?: Proxies
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
  readonly statusMessage: string
  readonly headers: IncomingHttpHeaders
  /** To be read to its end, by `read` or chunk by chunk, or destroyed. */
  readonly body: AnswerBody
  /** Whether it came from this machine or its network; what came through a proxy did not. */
  readonly isPrivate: boolean
}

/** Keeps connections open between requests, in two pools: one never holds a connection to a private address. */
export class Exchange implements Disposable {
  readonly #maxSilenceMs: number
  readonly #maxWholeMs: number
  readonly #isPrivate: (address: string) => boolean
  readonly #open: EnvHttpProxyAgent
  readonly #guarded: EnvHttpProxyAgent

  constructor(init: ExchangeInit = {}) {
    const lookup = init.lookup ?? (systemLookup as LookupFunction)
    this.#maxSilenceMs = init.maxSilenceMs ?? maxSilenceMs
    this.#maxWholeMs = init.maxWholeMs ?? maxWholeMs
    this.#isPrivate = init.isPrivate ?? isPrivateAddress
    this.#open = this.#agent(lookup, init.proxies)
    this.#guarded = this.#agent(publicOnly(lookup, this.#isPrivate), init.proxies)
  }

  #agent(lookup: LookupFunction, proxies: Proxies = { http: '', https: '', no: '*' }): EnvHttpProxyAgent {
    return new EnvHttpProxyAgent({
      httpProxy: proxies.http ?? '',
      httpsProxy: proxies.https ?? '',
      noProxy: proxies.no,
      connections: maxConnections,
      connect: connectorOf(lookup, this.#maxSilenceMs),
      factory: connectionsTo,
    })
  }

  [Symbol.dispose](): void {
    for (const agent of [this.#open, this.#guarded]) void agent.destroy()
  }

  /** Follows no redirect. Throws a RegistryError `unreachable`, `stalled` or `forbidden-address`, or the signal's reason. */
  async send({ method, url, headers, signal, allowsPrivate, body }: Asked): Promise<Answered> {
    signal.throwIfAborted()
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!allowsPrivate && isIP(host) !== 0 && this.#isPrivate(host)) throw forbidden(url.host)
    if (!/^https?:$/.test(url.protocol)) {
      throw new RegistryError('protocol', `${url.protocol} is no protocol of a registry`)
    }
    const answer = new AnswerBody({ url, signal, maxSilenceMs: this.#maxSilenceMs })
    const agent = allowsPrivate ? this.#open : this.#guarded
    agent.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers,
        body: body ?? null,
        headersTimeout: this.#maxSilenceMs,
        bodyTimeout: 0, // The answer itself looks.
      },
      answer,
    )
    const { remoteAddress, ...head } = await answer.head
    const isPrivate = remoteAddress !== undefined && this.#isPrivate(remoteAddress)
    return { url, ...head, body: answer, isPrivate }
  }

  /** A small body to its end, or to the first chunk beyond `maxBytes`. Throws a RegistryError, or the signal's reason. */
  async read(answer: Answered, maxBytes: number): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
    const late = new RegistryError('stalled', `an answer did not come to its end within ${this.#maxWholeMs / 1000} s`)
    const limit = setTimeout(() => answer.body.destroy(late), this.#maxWholeMs)
    const chunks: Buffer[] = []
    let bytes = 0
    try {
      for await (const chunk of answer.body) {
        chunks.push(Buffer.from(chunk))
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
