/** What a peer's bytes can be guilty of. Every decoder in `protocols/` throws this and nothing else. */

export type ProtocolErrorCode =
  | 'too-large' // more bytes or values than the protocol allows
  | 'truncated' // a length points behind the end
  | 'trailing' // bytes after the value
  | 'too-deep' // containers nested deeper than the protocol allows
  | 'integer-range' // a 64-bit integer that a number cannot hold
  | 'extension' // a msgpack extension type: this project uses none
  | 'map-key' // a key that is not a string, or that would reach an object's prototype
  | 'malformed' // a reserved byte, or text that is not UTF-8
  | 'version' // a framing version that this node does not speak
  | 'shape' // well-formed, but not what the protocol says belongs here
  | 'unknown-type' // a message type that may not cross a link
  | 'forbidden' // a message that this sender may not send to this path

/** Thrown by decoders (a peer sent something wrong) and by encoders (the value does not fit its protocol's limits). */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
