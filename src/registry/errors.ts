/** What can go wrong between this node and a registry, in one error class that callers can tell apart by code. */

export type RegistryErrorCode =
  | 'invalid-name' // the text is no name that a registry could have
  | 'insecure' // plain HTTP where nobody allowed it
  | 'forbidden-address' // a public registry pointed at an address of this machine or its network
  | 'not-found' // the registry does not have it
  | 'unauthorized' // the registry wants somebody else
  | 'refused' // any other answer that is no success
  | 'unreachable' // no answer: no such host, no connection, a connection that broke
  | 'stalled' // an answer that stopped coming
  | 'protocol' // an answer that is not what was asked for

/** Thrown by everything in `src/registry`. The message is for the person who asked. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: RegistryErrorCode
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** How long the registry asks to be left alone, where it says so. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: ErrorOptions & { readonly status?: number; readonly retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.code = code
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Whether the same request may succeed a little later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof RegistryError)) return false
  const { code, status = 0 } = error
  if (code === 'refused') return status === 408 || status === 429 || status >= 500
  return code === 'unreachable' || code === 'stalled' || code === 'protocol'
}
