/** The answer to one request: its head, then its body as it is asked for. undici calls the `on…` methods. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import { RegistryError } from './errors.ts'

/** What an answer and the connection that it comes over know of each other. */
export interface Line {
  /** Unknown where a proxy is between. */
  socket?: Socket | undefined
  /** Nothing but bytes of a body comes until that has ended. */
  isBodyAlone: boolean
}

export interface AnswerHead {
  readonly status: number
  readonly statusMessage: string
  readonly headers: IncomingHttpHeaders
  /** Whom it came from; unknown where a proxy is between. */
  readonly remoteAddress: string | undefined
}

export interface AnswerInit {
  readonly url: URL
  readonly signal: AbortSignal
  /** Neither side says anything for this long: it has stalled. What nobody waits for is not silent. */
  readonly maxSilenceMs: number
}

/** To be read to its end, or destroyed. */
export class AnswerBody implements Dispatcher.DispatchHandler, AsyncIterable<Buffer> {
  /** Set by the connection. */
  line: Line | undefined
  readonly #init: AnswerInit
  readonly #head = Promise.withResolvers<AnswerHead>()
  #controller: Dispatcher.DispatchController | undefined
  /** What has come and was not taken. One at most, but for what is left when a connection ends. */
  readonly #chunks: Buffer[] = []
  #isEnded = false
  #error: Error | undefined
  #wake: () => void = () => undefined

  constructor(init: AnswerInit) {
    this.#init = init
    init.signal.addEventListener('abort', this.#abort)
    this.#head.promise.catch(() => undefined)
  }

  /** Rejects with a RegistryError, or the signal's reason. */
  get head(): Promise<AnswerHead> {
    return this.#head.promise
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#error !== undefined) controller.abort(this.#error)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders, words = ''): void {
    if (status < 200) return
    const { line } = this
    if (line !== undefined) line.isBodyAlone = headers['content-length'] !== undefined
    this.#head.resolve({ status, statusMessage: words, headers, remoteAddress: line?.socket?.remoteAddress })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (chunk.length === 0) return // The parser, as it is woken.
    controller.pause()
    // The parser has let it read on, into the memory where the chunk is.
    if (this.line?.isBodyAlone === true) this.line.socket?.pause()
    this.#chunks.push(this.#chunks.length === 0 ? chunk : Buffer.from(chunk))
    this.#wake()
  }

  onResponseEnd(): void {
    this.#isEnded = true
    this.#leave()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#error ??= this.#broken(error)
    this.#leave()
  }

  /** The bytes as they come, each chunk until the next is asked for; leaving the loop ends it. Throws as `head` rejects. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
          yield chunk
          this.#chunks.shift()
        }
        const came = new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#controller?.resume()
        if (this.#chunks.length > 0) continue
        if (this.#error !== undefined) throw this.#error
        if (this.#isEnded) return
        await this.#unlessSilent(came)
      }
    } finally {
      this.destroy()
    }
  }

  /** Without effect on what has ended. */
  destroy(error: Error = new Error('nobody wants the rest of it')): void {
    if (this.#isEnded || this.#error !== undefined) return
    this.#error = error
    this.#controller?.abort(error)
    this.#leave()
  }

  readonly #abort = (): void => this.destroy(this.#init.signal.reason)

  #leave(): void {
    this.#init.signal.removeEventListener('abort', this.#abort)
    if (this.line !== undefined) this.line.isBodyAlone = false
    if (this.#error !== undefined) this.#head.reject(this.#error)
    this.#wake()
  }

  async #unlessSilent(came: Promise<void>): Promise<void> {
    const timer = setTimeout(() => this.destroy(this.#silence()), this.#init.maxSilenceMs)
    await came
    clearTimeout(timer)
  }

  #silence(): RegistryError {
    const { url, maxSilenceMs } = this.#init
    return new RegistryError('stalled', `${url.host} sent nothing for ${maxSilenceMs / 1000} s`)
  }

  #broken(error: Error & { readonly code?: string }): Error {
    if (error instanceof RegistryError) return error
    const { code, message } = error
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') return this.#silence()
    // The other side has hung up: what systems call so, and undici has a name of its own for.
    const known = code === 'UND_ERR_SOCKET' ? 'ECONNRESET' : code
    const words = known === undefined || known.startsWith('UND_ERR') ? message : known
    return new RegistryError('unreachable', `${this.#init.url.host} cannot be reached: ${words}`, { cause: error })
  }
}
