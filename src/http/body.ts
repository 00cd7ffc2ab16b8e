/** Reads a request's body with a limit on its size, on the time it takes, and on what all of them hold together. */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { maxInferRequestBytes } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'

/** Largest JSON body: what it asks for must fit into one request to a worker. Ollama has no limit. */
const maxBodyBytes = maxInferRequestBytes

/** A body must be complete by then: the largest at 2 Mbit/s. A slower sender only holds a socket. */
const maxBodyMs = 120_000

/**
 * Bytes of all bodies that are being read, or whose requests wait or are being answered: they stay in memory until then.
 * What was parsed of them takes about as much again.
 */
export class BodyBudget {
  readonly #maxBytes: number
  readonly #held = new Map<IncomingMessage, number>()
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** False: there is no room for these. */
  take(request: IncomingMessage, bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false
    this.#usedBytes += bytes
    this.#held.set(request, (this.#held.get(request) ?? 0) + bytes)
    return true
  }

  /** The request has been answered, or its client has gone. */
  release(request: IncomingMessage): void {
    this.#usedBytes -= this.#held.get(request) ?? 0
    this.#held.delete(request)
  }
}

/** The whole body. Rejects with ApiError `body-too-large`, `body-timeout`, `busy`, or `cancelled` when the client goes. */
export function readBody(request: IncomingMessage, budget: BodyBudget): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(() => {
      if (bytes > maxBodyBytes) request.destroy()
      reject(new ApiError('body-timeout', `the request's body was not complete within ${maxBodyMs / 1000} s`))
    }, maxBodyMs)
    const take = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBodyBytes) refuse(tooLarge())
      else if (budget.take(request, chunk.length)) chunks.push(chunk)
      else refuse(new ApiError('busy'))
    }
    // The rest is read and dropped, so that the client comes to read the answer; the timer bounds that as well.
    const refuse = (error: ApiError) => {
      bytes = Number.POSITIVE_INFINITY
      chunks.length = 0
      budget.release(request)
      request.off('data', take)
      request.resume()
      reject(error)
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', () => reject(new ApiError('cancelled')))
    request.once('close', () => {
      clearTimeout(timer)
      if (!request.complete) reject(new ApiError('cancelled'))
    })
    if (Number(request.headers['content-length']) > maxBodyBytes) refuse(tooLarge())
  })
}

const tooLarge = () => new ApiError('body-too-large', `the request's body is larger than ${maxBodyBytes} bytes`)

/** What a compressed body may become: as much as Ollama takes. */
const maxInflatedBytes = 20 * 1024 * 1024

const decompress = promisify(zstdDecompress)

/**
 * The body as it was before a client compressed it: some agents send zstd. Rejects with ApiError `bad-field`,
 * `body-too-large` or `busy`.
 */
export async function inflated(request: IncomingMessage, bytes: Buffer, budget: BodyBudget): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') return bytes
  if (encoding !== 'zstd') {
    throw new ApiError(
      'bad-field',
      `a body with the content-encoding ${encoding.slice(0, 50)} cannot be read: send zstd, or none`,
    )
  }
  const whole = await decompress(bytes, { maxOutputLength: maxInflatedBytes }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_BUFFER_TOO_LARGE') throw new ApiError('bad-field', `the body is no zstd: ${error.message}`)
    throw new ApiError('body-too-large', `the request's body is larger than ${maxInflatedBytes} bytes`)
  })
  if (!budget.take(request, whole.length)) throw new ApiError('busy')
  return whole
}
