/** A registry as its client sees it: manifests and blobs of one repository, behind sign-in and redirects. */
import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type Static, Type } from 'typebox'
import { Check } from 'typebox/value'
import { manifestType, maxManifestBytes } from '../../protocols/manifest.ts'
import { spokenOllamaVersion, version } from '../version.ts'
import { authorizationOf, type Challenge, parseChallenge, type Signer, sshKeyLine, tokenUrl } from './challenge.ts'
import { RegistryError } from './errors.ts'
import type { Answered, Asked, Exchange } from './exchange.ts'
import type { RemoteName } from './remote-name.ts'
import { firstPatience, type Patience, retrying } from './retries.ts'

/** Largest answer that holds a token. */
const maxTokenBytes = 64 * 1024

/** From the registry to where a blob lies: one step, commonly. */
const maxRedirects = 5

/** Registries refuse clients that are too old for a model by the number that stands here, and some know no other client. */
const userAgent = `ollama/${spokenOllamaVersion} (omx-node/${version})`

const TokenAnswer = Type.Object({ token: Type.String({ minLength: 1, maxLength: maxTokenBytes }) })

export interface RegistryInit {
  readonly remote: RemoteName
  readonly exchange: Exchange
  readonly signer: Signer
  /** For the first answer; default: three tries. */
  readonly patience?: Patience
}

/** One step towards an answer. */
interface Ask extends Pick<Asked, 'method' | 'signal'> {
  readonly path: string
  /** A function makes it anew where it has to be sent twice. */
  readonly body?: Uint8Array | (() => Readable)
  readonly headers?: Readonly<Record<string, string>>
}

export class Registry {
  readonly remote: RemoteName
  readonly #exchange: Exchange
  readonly #signer: Signer
  readonly #patience: Patience
  readonly #origin: URL
  #bearer: string | undefined
  /** Known from the first answer on: only then may it send us to addresses that are not public. */
  #isPrivate: boolean | undefined

  constructor({ remote, exchange, signer, patience = firstPatience }: RegistryInit) {
    this.remote = remote
    this.#exchange = exchange
    this.#signer = signer
    this.#patience = patience
    this.#origin = new URL(remote.origin)
  }

  /** The manifest's bytes as the registry has them. Throws a RegistryError. */
  async manifest(signal: AbortSignal): Promise<Buffer> {
    const { repository, tag } = this.remote
    const path = `/v2/${repository}/manifests/${tag}`
    return await retrying(this.#patience, signal, async () => {
      const answer = await this.ask({ method: 'GET', path, signal, headers: { accept: manifestType } })
      return await this.#whole(answer, maxManifestBytes, 'manifest')
    })
  }

  /**
   * Asks the registry itself and follows where it sends us. Throws a RegistryError for every answer that is no success.
   * What `direct` names is asked instead, without a token: it was reached from here before.
   */
  async ask(ask: Ask, direct?: URL): Promise<Answered> {
    const answer = await this.#follow(ask, direct ?? new URL(ask.path, this.#origin))
    if (answer.status >= 200 && answer.status < 300) return answer
    throw await this.#refusal(answer)
  }

  /** Names what has been pushed. Throws a RegistryError. */
  async putManifest(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const path = `/v2/${this.remote.repository}/manifests/${this.remote.tag}`
    const headers = { 'content-type': manifestType, 'content-length': String(bytes.length) }
    await retrying(this.#patience, signal, async () => {
      const answer = await this.ask({ method: 'PUT', path, signal, headers, body: bytes })
      this.discard(answer)
    })
  }

  /** As `ask`, but a redirect is the caller's to follow. */
  async askOnce(ask: Ask, url = new URL(ask.path, this.#origin)): Promise<Answered> {
    const answer = await this.#signedIn(ask, url)
    if (answer.status >= 200 && answer.status < 400) return answer
    throw await this.#refusal(answer)
  }

  /** Nobody wants to know more of an answer: a short one leaves its connection for the next request. */
  discard(answer: Answered): void {
    void this.#exchange.words(answer)
  }

  async #follow(ask: Ask, start: URL): Promise<Answered> {
    let url = start
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const answer = await this.#signedIn(ask, url)
      const { location } = answer.headers
      if (answer.status < 300 || answer.status >= 400 || location === undefined) return answer
      answer.body.destroy()
      url = this.redirected(url, location)
    }
    throw new RegistryError('refused', `${this.#origin.host} redirects more than ${maxRedirects} times`)
  }

  /** Where an answer of `from` sends us. Throws a RegistryError for what may not be followed. */
  redirected(from: URL, location: string | undefined): URL {
    if (location === undefined || !URL.canParse(location, from.href))
      throw new RegistryError('protocol', `${from.host} redirects to no URL`)
    const url = new URL(location, from)
    if (url.protocol === 'https:' || (url.protocol === 'http:' && this.#origin.protocol === 'http:')) return url
    throw new RegistryError(
      'insecure',
      `${this.#origin.host} redirects to ${url.protocol}//${url.host}: insecure protocol`,
    )
  }

  /** Signs in where the registry itself asks for it, once. */
  async #signedIn(ask: Ask, url: URL): Promise<Answered> {
    const answer = await this.#send(ask, url)
    const challenge = answer.status === 401 ? parseChallenge(answer.headers['www-authenticate']) : undefined
    if (challenge === undefined || url.origin !== this.#origin.origin) return answer
    this.discard(answer)
    this.#bearer = await this.#tokenFor(challenge, ask.signal)
    return await this.#send(ask, url)
  }

  async #send({ method, signal, headers = {}, body }: Ask, url: URL): Promise<Answered> {
    const isRegistry = url.origin === this.#origin.origin
    const authorization = isRegistry && this.#bearer !== undefined ? { authorization: `Bearer ${this.#bearer}` } : {}
    // Compressed bytes would have another length and another digest.
    const own = { 'user-agent': userAgent, 'accept-encoding': 'identity' }
    const answer = await this.#exchange.send({
      method,
      url,
      signal,
      headers: { ...own, ...headers, ...authorization },
      allowsPrivate: this.#isPrivate ?? isRegistry,
      ...(body === undefined ? {} : { body: typeof body === 'function' ? body() : body }),
    })
    if (isRegistry) this.#isPrivate ??= answer.isPrivate
    return answer
  }

  async #tokenFor(challenge: Challenge, signal: AbortSignal): Promise<string> {
    const url = tokenUrl(challenge, this.#origin, Date.now(), randomBytes(16).toString('base64url'))
    const headers = { authorization: await authorizationOf(url, this.#signer), 'user-agent': userAgent }
    const allowsPrivate = this.#isPrivate ?? true
    const answer = await this.#exchange.send({ method: 'GET', url, headers, signal, allowsPrivate })
    if (answer.status !== 200) throw await this.#refusal(answer)
    return tokenIn(await this.#whole(answer, maxTokenBytes, 'token'))
  }

  async #whole(answer: Answered, maxBytes: number, what: string): Promise<Buffer> {
    const { bytes, isWhole } = await this.#exchange.read(answer, maxBytes)
    if (isWhole) return bytes
    throw new RegistryError('refused', `the ${what} from ${answer.url.host} has more than ${maxBytes} bytes`)
  }

  async #refusal(answer: Answered): Promise<RegistryError> {
    const { status, url } = answer
    const words = await this.#exchange.words(answer)
    if (status === 404) return new RegistryError('not-found', 'file does not exist', { status })
    if (status === 401 || status === 403) {
      const advice = `if ${url.host} has accounts, add this node's key to yours: ${sshKeyLine(this.#signer)}`
      return new RegistryError('unauthorized', `${status}: ${words || 'unauthorized'} (${advice})`, { status })
    }
    return new RegistryError('refused', `${status}: ${words || answer.statusMessage || url.host}`, {
      status,
      ...pauseIn(answer.headers['retry-after']),
    })
  }
}

/** `Retry-After` in seconds, or as a date. */
function pauseIn(header: string | undefined): { readonly retryAfterMs?: number } {
  const seconds = Number(header ?? Number.NaN)
  const ms = Number.isNaN(seconds) ? Date.parse(header ?? '') - Date.now() : seconds * 1000
  return ms > 0 ? { retryAfterMs: ms } : {}
}

function tokenIn(bytes: Buffer): string {
  const answer = parseJson(bytes)
  if (Check(TokenAnswer, answer)) return (answer as Static<typeof TokenAnswer>).token
  throw new RegistryError('unauthorized', 'the registry gave no token', { status: 401 })
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
