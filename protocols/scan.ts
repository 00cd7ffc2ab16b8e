/**
 * Walks foreign msgpack once without building anything, so that the decoder behind it never meets a length, a depth or
 * a type that this project does not accept. Nothing is allocated that grows with the input.
 */
import { isUtf8 } from 'node:buffer'
import { ProtocolError } from './protocol-error.ts'

export interface CodecLimits {
  readonly maxBytes: number
  /** Containers inside containers. */
  readonly maxDepth: number
  /** Scalars, keys and containers together: an empty map is one byte on the wire and fifty in memory. */
  readonly maxValues: number
}

/** Strings up to this many bytes are checked here; longer ones are worth the call into native code. */
const shortStringBytes = 48

const prototypeKey = '__proto__'

/** Throws a ProtocolError unless `bytes` is exactly one msgpack value within the limits. */
export function scan(bytes: Uint8Array, limits: CodecLimits): void {
  if (bytes.length > limits.maxBytes) {
    throw new ProtocolError('too-large', `${bytes.length} bytes where at most ${limits.maxBytes} are allowed`)
  }
  const scanner = new Scanner(bytes, limits)
  scanner.value(0)
  if (scanner.position !== bytes.length) {
    throw new ProtocolError('trailing', `${bytes.length - scanner.position} bytes follow the value`)
  }
}

class Scanner {
  position = 0
  readonly #bytes: Uint8Array
  readonly #limits: CodecLimits
  #values = 0
  /** Where the last string's text begins; it ends at `position`. */
  #textStart = 0

  constructor(bytes: Uint8Array, limits: CodecLimits) {
    this.#bytes = bytes
    this.#limits = limits
  }

  /** Steps over one value at `depth` containers. */
  value(depth: number): void {
    this.#count()
    const token = this.#unsigned(1)
    if (token < 0x80 || token >= 0xe0) return
    if (token < 0x90) this.#map(token & 0x0f, depth)
    else if (token < 0xa0) this.#array(token & 0x0f, depth)
    else if (token < 0xc0) this.#string(token & 0x1f)
    else this.#long(token, depth)
  }

  #count(): void {
    this.#values += 1
    if (this.#values > this.#limits.maxValues) {
      throw new ProtocolError('too-large', `more than ${this.#limits.maxValues} values`)
    }
  }

  #long(token: number, depth: number): void {
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return
      case 0xc4: // bin 8, 16, 32
      case 0xc5:
      case 0xc6:
        this.#skip(this.#unsigned(1 << (token - 0xc4)))
        break
      case 0xca: // float 32, 64
      case 0xcb:
        this.#skip(token === 0xca ? 4 : 8)
        break
      case 0xcc: // uint 8, 16, 32
      case 0xcd:
      case 0xce:
        this.#skip(1 << (token - 0xcc))
        break
      case 0xcf:
        this.#integer64(false)
        break
      case 0xd0: // int 8, 16, 32
      case 0xd1:
      case 0xd2:
        this.#skip(1 << (token - 0xd0))
        break
      case 0xd3:
        this.#integer64(true)
        break
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        this.#string(this.#unsigned(1 << (token - 0xd9)))
        break
      case 0xdc: // array 16, 32
      case 0xdd:
        this.#array(this.#unsigned(token === 0xdc ? 2 : 4), depth)
        break
      case 0xde: // map 16, 32
      case 0xdf:
        this.#map(this.#unsigned(token === 0xde ? 2 : 4), depth)
        break
      case 0xc1:
        throw new ProtocolError('malformed', 'the reserved byte 0xc1')
      default:
        throw new ProtocolError('extension', `extension type 0x${token.toString(16)}`)
    }
  }

  #array(length: number, depth: number): void {
    this.#enter(length, depth)
    for (let index = 0; index < length; index++) this.value(depth + 1)
  }

  #map(length: number, depth: number): void {
    this.#enter(length * 2, depth)
    for (let index = 0; index < length; index++) {
      this.#key()
      this.value(depth + 1)
    }
  }

  /** `least`: how many bytes the container's members need if each is as short as a value can be. */
  #enter(least: number, depth: number): void {
    if (depth >= this.#limits.maxDepth) {
      throw new ProtocolError('too-deep', `more than ${this.#limits.maxDepth} containers inside each other`)
    }
    this.#need(least)
  }

  #key(): void {
    const token = this.#unsigned(1)
    if (token >= 0xa0 && token < 0xc0) this.#string(token & 0x1f)
    else if (token >= 0xd9 && token <= 0xdb) this.#string(this.#unsigned(1 << (token - 0xd9)))
    else throw new ProtocolError('map-key', 'a map key that is not a string')
    this.#count()
    if (this.#textIsPrototypeKey()) throw new ProtocolError('map-key', `the map key ${prototypeKey}`)
  }

  /** The one key that would not stay an own property. */
  #textIsPrototypeKey(): boolean {
    if (this.position - this.#textStart !== prototypeKey.length) return false
    for (let index = 0; index < prototypeKey.length; index++) {
      if (this.#bytes[this.#textStart + index] !== prototypeKey.charCodeAt(index)) return false
    }
    return true
  }

  #string(length: number): void {
    const start = this.position
    this.#textStart = start
    this.#skip(length)
    if (length <= shortStringBytes) {
      let index = start
      while (index < this.position && (this.#bytes[index] as number) < 0x80) index++
      if (index === this.position) return
    }
    if (!isUtf8(this.#bytes.subarray(start, this.position))) throw new ProtocolError('malformed', 'text is not UTF-8')
  }

  #integer64(signed: boolean): void {
    const high = this.#unsigned(4)
    this.#skip(4)
    // Within ±2^53: the upper half is below 2^21, or a sign extension of a number that is.
    const positive = high < 0x200000
    const negative = signed && high >= 0xffe00000
    if (!positive && !negative) throw new ProtocolError('integer-range', 'an integer beyond 53 bits')
  }

  #unsigned(width: number): number {
    this.#need(width)
    let value = 0
    for (let index = 0; index < width; index++) value = value * 256 + (this.#bytes[this.position++] as number)
    return value
  }

  #skip(length: number): void {
    this.#need(length)
    this.position += length
  }

  #need(length: number): void {
    const remaining = this.#bytes.length - this.position
    if (length > remaining) {
      throw new ProtocolError('truncated', `${length} bytes are announced where ${remaining} remain`)
    }
  }
}
