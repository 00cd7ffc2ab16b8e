/** Values to bytes and back: msgpack without extensions, behind a scan that no foreign byte gets around. */
import { type Options, Packr } from 'msgpackr'
import { ProtocolError } from './protocol-error.ts'
import { type CodecLimits, scan } from './scan.ts'

/** `skipValues` is missing from the library's types: an absent property and one that is undefined are the same bytes. */
const options: Options & { readonly skipValues: readonly unknown[] } = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'number',
  skipValues: [undefined],
}

const packr = new Packr(options as Options)

const floatBytes = 4
const tokenBytes = 4

/**
 * Plain data (objects, arrays, strings, finite numbers, booleans, null, Uint8Array) as msgpack.
 * Properties that are undefined are left out. Throws ProtocolError for a value that has no such form.
 */
export function encode(value: unknown): Uint8Array {
  try {
    return packr.pack(value)
  } catch (error) {
    throw new ProtocolError('shape', `a value that cannot be written: ${String(error)}`, { cause: error })
  }
}

/** One value from foreign bytes. Throws ProtocolError, and nothing else, for anything outside the limits. */
export function decode(bytes: Uint8Array, limits: CodecLimits): unknown {
  scan(bytes, limits)
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw new ProtocolError('malformed', `bytes that cannot be read: ${String(error)}`, { cause: error })
  }
}

/** A vector as its 32-bit floats, little-endian. */
export function bytesOfFloats(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(vector.length * floatBytes)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < vector.length; index++) view.setFloat32(index * floatBytes, vector[index] as number, true)
  return bytes
}

/** The vector back, in memory of its own: bytes on the wire start anywhere, a Float32Array only at multiples of four. */
export function floatsOfBytes(bytes: Uint8Array): Float32Array {
  if (bytes.length % floatBytes !== 0) {
    throw new ProtocolError('shape', `${bytes.length} bytes are no vector of 32-bit floats`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const vector = new Float32Array(bytes.length / floatBytes)
  for (let index = 0; index < vector.length; index++) vector[index] = view.getFloat32(index * floatBytes, true)
  return vector
}

/** A long run of token ids as 32-bit integers, little-endian: a context of 128 K tokens is one value, not 128 K. */
export function bytesOfTokens(tokens: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(tokens.length * tokenBytes)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < tokens.length; index++) view.setUint32(index * tokenBytes, tokens[index] as number, true)
  return bytes
}

/** The token ids back. */
export function tokensOfBytes(bytes: Uint8Array): number[] {
  if (bytes.length % tokenBytes !== 0) throw new ProtocolError('shape', `${bytes.length} bytes are no token ids`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / tokenBytes }, (_, index) => view.getUint32(index * tokenBytes, true))
}
