/** The HTTP API of a server that computes for this node: one JSON answer, one line after another, or events. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { EventReader } from './event-reader.ts'
import { LineReader } from './line-reader.ts'

/** A server on this host or network takes a connection or refuses it within this. */
const connectMs = 10_000
/** Longest line or event that is read, in characters: llama.cpp's last one repeats the prompt. */
const maxPieceLength = 64 * 1024 * 1024
/** Longest answer that is read in one piece: some thousand vectors. */
const maxAnswerBytes = 256 * 1024 * 1024
/** Of an answer that is an error; more of it is no message. */
const maxErrorBytes = 1024 * 1024
/** What an error's words are cut to, in characters. */
const maxWordsLength = 2000

/** Thrown when the server answers with an error, or not at all; `status` 0: not at all. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export interface RemoteInit {
  /** What it is, for messages: `Ollama`. */
  readonly kind: string
  /** What paths are appended to, such as `http://127.0.0.1:11434`. */
  readonly url: string
  /** A socket that is asked instead of the host of the URL. */
  readonly socketPath?: string
  /** Sent as a bearer token, and never shown. */
  readonly key?: string
  /** What to do where the server does not know who asks; after a colon. */
  readonly onUnknown?: string
}

export type Line = Readonly<Record<string, unknown>>

interface Reader {
  push(piece: string): Iterable<string>
  end?(): string
}

export class RemoteClient {
  readonly url: string
  readonly #init: RemoteInit

  constructor(init: RemoteInit) {
    this.#init = init
    this.url = init.url.replace(/\/+$/, '')
  }

  /** The one JSON value of an answer; undefined where it has no body. Rejects with a RemoteError. */
  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#send(method, path, body, signal)
    const text = await textOf(response, maxAnswerBytes).catch((error: unknown) => {
      throw this.#unanswered(path, error)
    })
    return text === '' ? undefined : this.#parsed(path, text)
  }

  /** The lines of a stream, each one JSON object. Throws a RemoteError; leaving the loop ends the request. */
  lines(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line, void, void> {
    return this.#stream(path, body, signal, new LineReader(maxPieceLength))
  }

  /** The JSON of each event of a stream, up to `[DONE]`. Throws a RemoteError; leaving the loop ends the request. */
  events(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line, void, void> {
    return this.#stream(path, body, signal, new EventReader(maxPieceLength))
  }

  async *#stream(path: string, body: unknown, signal: AbortSignal, reader: Reader): AsyncGenerator<Line, void, void> {
    const response = await this.#send('POST', path, body, signal)
    try {
      for await (const piece of response.setEncoding('utf8')) {
        for (const text of reader.push(piece as string)) {
          if (text === '[DONE]') return
          if (text !== '') yield this.#checked(path, text)
        }
      }
      const rest = reader.end?.() ?? ''
      if (rest !== '') yield this.#checked(path, rest)
    } catch (error) {
      throw this.#unanswered(path, error)
    } finally {
      response.destroy()
    }
  }

  async #send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const response = await this.#open(method, path, body, signal).catch((error: unknown) => {
      throw this.#unanswered(path, error)
    })
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return response
    const text = await textOf(response, maxErrorBytes).catch(() => '')
    throw this.#refusal(statusCode, errorWords(jsonOf(text)) ?? `${path}: status ${statusCode}`)
  }

  #open(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const { socketPath, key } = this.#init
    const target = new URL(this.url + path)
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const options = {
      method,
      // Some servers close a connection that others would keep: a pooled one would be found dead.
      agent: false as const,
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        // Node frames the body of a DELETE only where its length is named.
        ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
      },
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(signal === undefined ? {} : { signal }),
    }
    return new Promise((resolve, reject) => {
      const request = send(target, options, resolve)
      request.on('error', reject)
      request.on('socket', (socket) => {
        // Only the connection is timed: a model may take minutes to load before the first byte of an answer.
        const timer = setTimeout(() => request.destroy(new Error(`no connection within ${connectMs} ms`)), connectMs)
        const connected = (): void => clearTimeout(timer)
        if (socket.connecting) socket.once('connect', connected)
        else connected()
        request.once('close', connected)
      })
      request.end(bytes)
    })
  }

  #parsed(path: string, text: string): unknown {
    const value = jsonOf(text)
    if (value !== undefined) return value
    throw new RemoteError(500, `the ${this.#init.kind} at ${this.url} answered ${path} with something that is no JSON`)
  }

  /** A line with an error is the end of a stream. */
  #checked(path: string, text: string): Line {
    const line = this.#parsed(path, text)
    const words = errorWords(line)
    if (words !== undefined) throw this.#refusal(errorStatus(line), words)
    return line as Line
  }

  #refusal(status: number, words: string): RemoteError {
    const { onUnknown } = this.#init
    const isUnknown = onUnknown !== undefined && (status === 401 || status === 403)
    return new RemoteError(status, this.#shown(words) + (isUnknown ? `: ${onUnknown}` : ''))
  }

  /** A server may repeat the key that it refuses. */
  #shown(words: string): string {
    const { key } = this.#init
    return (key ? words.replaceAll(key, '…') : words).slice(0, maxWordsLength)
  }

  #unanswered(path: string, error: unknown): RemoteError {
    if (error instanceof RemoteError) return error
    const reason = error instanceof Error ? error.message : String(error)
    // Too much is an answer, if a bad one.
    const status = error instanceof RangeError ? 500 : 0
    return new RemoteError(status, `no answer from the ${this.#init.kind} at ${this.url}${path}: ${reason}`, {
      cause: error,
    })
  }
}

async function textOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What an error says: Ollama's `error` is a text, OpenAI's has a `message`, and vLLM's once stood outside. */
function errorWords(value: unknown): string | undefined {
  const { error, object, message } = (value ?? {}) as Line
  const words = typeof error === 'object' && error !== null ? (error as Line).message : error
  if (typeof words === 'string') return words
  return object === 'error' && typeof message === 'string' ? message : undefined
}

/** In a stream the status has been sent already: some servers tell it with the error. */
function errorStatus(value: unknown): number {
  const { error, code } = value as Line
  const told = (error as { readonly code?: unknown } | undefined)?.code ?? code
  return typeof told === 'number' && told >= 400 && told < 600 ? told : 500
}
