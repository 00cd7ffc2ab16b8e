/** Reads a request's body with a limit on its size and on the time it takes. */
import type { IncomingMessage } from 'node:http'
import { maxInferRequestBytes } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'

/** Largest JSON body: what it asks for must fit into one request to a worker. Ollama has no limit. */
const maxBodyBytes = maxInferRequestBytes

/** A body must be complete by then: the largest at 2 Mbit/s. A slower sender only holds a socket. */
const maxBodyMs = 120_000

/** The whole body. Rejects with ApiError `body-too-large`, `body-timeout`, or `cancelled` when the client goes. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(() => {
      if (bytes > maxBodyBytes) request.destroy()
      reject(new ApiError('body-timeout', `the request's body was not complete within ${maxBodyMs / 1000} s`))
    }, maxBodyMs)
    const take = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxBodyBytes) chunks.push(chunk)
      else tooLarge()
    }
    // The rest is read and dropped, so that the client comes to read the answer; the timer bounds that as well.
    const tooLarge = () => {
      bytes = Number.POSITIVE_INFINITY
      chunks.length = 0
      request.off('data', take)
      request.resume()
      reject(new ApiError('body-too-large', `the request's body is larger than ${maxBodyBytes} bytes`))
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', () => reject(new ApiError('cancelled')))
    request.once('close', () => {
      clearTimeout(timer)
      if (!request.complete) reject(new ApiError('cancelled'))
    })
    if (Number(request.headers['content-length']) > maxBodyBytes) tooLarge()
  })
}
