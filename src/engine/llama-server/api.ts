/** The HTTP API of llama.cpp's server, over its socket. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'

/** Longest event that is read: the last one repeats the prompt. */
const maxEventLength = 64 * 1024 * 1024

/** Thrown for an answer that is an error; `status` 0: there was none. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export class ServerApi {
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** The JSON of an answer. Rejects with a ServerError. */
  async ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    return await json(await this.#send(method, path, body, undefined))
  }

  /** The events of a stream; leaving the loop, or aborting, ends the work. Throws a ServerError. */
  async *events(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown, void, void> {
    const response = await this.#send('POST', path, body, signal)
    let rest = ''
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        const events = (rest + String(chunk)).split('\n\n')
        rest = events.pop() ?? ''
        if (rest.length > maxEventLength) throw new ServerError(0, `an event of ${rest.length} characters`)
        for (const event of events) if (event.startsWith('data: ')) yield JSON.parse(event.slice('data: '.length))
      }
    } catch (error) {
      throw error instanceof ServerError ? error : new ServerError(0, (error as Error).message, { cause: error })
    } finally {
      response.destroy()
    }
  }

  #send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        socketPath: this.#socketPath,
        method,
        path,
        headers: bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length },
        // The server closes its connections after a stream: a pooled one would be found dead.
        agent: false,
        ...(signal === undefined ? {} : { signal }),
      })
      request.once('error', (error) => reject(new ServerError(0, error.message, { cause: error })))
      request.once('response', (response) => {
        const { statusCode = 0 } = response
        if (statusCode >= 200 && statusCode < 300) resolve(response)
        else errorOf(response, statusCode).then(reject)
      })
      request.end(bytes)
    })
  }
}

async function errorOf(response: IncomingMessage, status: number): Promise<ServerError> {
  const answer = (await json(response).catch(() => ({}))) as { error?: { message?: unknown } }
  return new ServerError(status, String(answer.error?.message ?? `status ${status}`))
}
