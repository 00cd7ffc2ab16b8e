/** Ollama's HTTP API as a client: one JSON answer, or one line after another. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { json } from 'node:stream/consumers'

/** An Ollama on this host or network answers or refuses within this; a listing reads manifests from a disk. */
const connectMs = 10_000
/** Longest line that is read: Ollama's own client takes as much. */
const maxLineBytes = 8 * 1024 * 1024

/** Thrown when Ollama answers with an error, or not at all; `status` 0: not at all. */
export class OllamaError extends Error {
  override readonly name = 'OllamaError'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export type Line = Readonly<Record<string, unknown>>

export class OllamaClient {
  readonly url: string

  /** @param url such as `http://127.0.0.1:11434` */
  constructor(url: string) {
    this.url = url.replace(/\/+$/, '')
  }

  /** The one JSON value of an answer; undefined where it has no body. Rejects with an OllamaError. */
  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#send(method, path, body, signal)
    if (response.headers['content-length'] === '0') {
      response.resume()
      return undefined
    }
    return await json(response).catch((error: Error) => {
      throw new OllamaError(0, `${this.url} answered ${path} with something that is no JSON: ${error.message}`)
    })
  }

  /** The lines of a stream. A line with an error is thrown as an OllamaError; leaving the loop ends the request. */
  async *lines(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line, void, void> {
    const response = await this.#send('POST', path, body, signal)
    const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })
    try {
      for await (const text of lines) {
        if (text.length > maxLineBytes) throw new OllamaError(0, `${this.url} sent a line of ${text.length} characters`)
        if (text !== '') yield checked(JSON.parse(text) as Line)
      }
    } catch (error) {
      throw error instanceof OllamaError ? error : this.#unanswered(path, error)
    } finally {
      lines.close()
      response.destroy()
    }
  }

  async #send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const response = await this.#open(method, path, body, signal).catch((error: unknown) => {
      throw this.#unanswered(path, error)
    })
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return response
    const answer = (await json(response).catch(() => ({}))) as { error?: unknown }
    const words = typeof answer.error === 'string' ? answer.error : `${path}: status ${statusCode}`
    throw new OllamaError(statusCode, words)
  }

  #open(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const target = new URL(this.url + path)
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    // Node frames the body of a DELETE only where its length is named.
    const headers = bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }
    return new Promise((resolve, reject) => {
      const request = send(target, { method, headers, ...(signal === undefined ? {} : { signal }) }, resolve)
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

  #unanswered(path: string, error: unknown): OllamaError {
    const reason = error instanceof Error ? error.message : String(error)
    return new OllamaError(0, `no answer from the Ollama at ${this.url}${path}: ${reason}`, { cause: error })
  }
}

function checked(line: Line): Line {
  if (typeof line.error === 'string') throw new OllamaError(500, line.error)
  return line
}
