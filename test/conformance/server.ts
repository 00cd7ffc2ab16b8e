/** A server under test, and what it answers: every header is sent as it is written, and nothing is followed. */
import { type IncomingMessage, request } from 'node:http'

/** An answer of a small model on a slow machine is done by then. */
const maxAnswerMs = 60_000
/** Far above every answer of a row. */
const maxAnswerBytes = 64 * 1024 * 1024

export interface SentRequest {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** A string or bytes go as they are, anything else as JSON; undefined: none. */
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** The body, where it is one JSON value. */
  readonly json: unknown
  /** The body, where it is lines of JSON. */
  readonly lines: readonly unknown[]
}

export class Server {
  readonly url: URL

  constructor(url: string) {
    this.url = new URL(url)
  }

  /** Rejects when the connection fails, when the answer takes too long and when it is endless. */
  async send({ method, path, headers = {}, body }: SentRequest): Promise<Answer> {
    const bytes = bytesOf(body)
    const length = bytes === undefined ? {} : { 'content-length': String(bytes.length) }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const sent = request({
      host: this.url.hostname.replace(/^\[|\]$/g, ''),
      port: this.url.port || 80,
      method,
      path,
      headers: { ...length, ...headers },
      signal: AbortSignal.timeout(maxAnswerMs),
    })
    sent.once('response', resolve)
    sent.once('error', reject)
    sent.end(bytes)
    return read(await promise)
  }
}

function bytesOf(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined
  if (body instanceof Uint8Array) return Buffer.from(body)
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > maxAnswerBytes) throw new Error(`the answer has more than ${maxAnswerBytes} bytes`)
    chunks.push(chunk as Buffer)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
  return { status: response.statusCode ?? 0, headers, text, json: parsed(text), lines: linesOf(text) }
}

function linesOf(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parsed)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
