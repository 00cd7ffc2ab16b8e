/** What can go wrong with the network in ways that a caller tells apart. */

/**
 * Why no connection came about: `refused`: nobody listens at any address; `timeout`: silence; `identity`: another peer
 * answered; `self`: the addresses are this node's own; `invalid-address`: none can be read; `failed`: anything else.
 */
export type DialErrorCode = 'refused' | 'timeout' | 'identity' | 'self' | 'invalid-address' | 'failed'

/** Thrown when none of a peer's addresses led to a connection. */
export class DialError extends Error {
  override readonly name = 'DialError'
  readonly code: DialErrorCode

  constructor(code: DialErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Thrown when a listen address cannot be used; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: 'in-use' | 'invalid-address' | 'not-available' | 'denied' | 'failed'
  readonly address: string

  constructor(code: ListenError['code'], address: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.address = address
  }
}

/** Thrown when the node's key file cannot be used. It is never overwritten. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
  readonly path: string

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.path = path
  }
}
