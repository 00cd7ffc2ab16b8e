/** The bytes of a request that is a file. */
import type { IncomingMessage } from 'node:http'
import { ApiError } from './errors.ts'

/** An upload that brings nothing for this long has stalled; the half-written file is then removed. */
const maxUploadIdleMs = 60_000

/** The request's bytes, no faster than they are taken; fails when none come for a minute. */
export async function* uploadOf(request: IncomingMessage): AsyncGenerator<Uint8Array, void, void> {
  const stalled = () => {
    request.destroy(new ApiError('body-timeout', `the upload brought nothing for ${maxUploadIdleMs / 1000} s`))
  }
  let timer = setTimeout(stalled, maxUploadIdleMs)
  try {
    // Whoever stops in the middle still answers: the connection stays.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      clearTimeout(timer)
      yield chunk as Uint8Array
      timer = setTimeout(stalled, maxUploadIdleMs)
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Longest time for which the rest of an upload that nobody wants is read and dropped, so that its sender reads why. */
const maxDropMs = 30_000

/** Drops what is left of an upload: an answer has been given without it. */
export function dropRest(request: IncomingMessage): void {
  if (request.complete) return
  const timer = setTimeout(() => request.destroy(), maxDropMs)
  request.once('close', () => clearTimeout(timer))
  request.resume()
}

/** The bytes that a request announces; undefined where it does not say. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const bytes = Number(request.headers['content-length'])
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
}
