/** How bodies follow each other on a stream: version (1 byte), length (4 bytes, big-endian), body. */
import { ProtocolError } from './protocol-error.ts'

/** The layout of the header itself; what a body means is the protocol id's business. */
const framingVersion = 1

const headerBytes = 5

/** A body's first buffer when it arrives in pieces: small, because a length is only a claim until the bytes are here. */
const firstBufferBytes = 4096

/** Bodies, each with its header in front, in one piece: what is sent together is one write. */
export function frame(bodies: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const body of bodies) length += headerBytes + body.length
  // From Node's pool: most frames are small, and a buffer of its own costs more than what is written into it.
  const framed = Buffer.allocUnsafe(length)
  let offset = 0
  for (const body of bodies) {
    framed[offset] = framingVersion
    framed.writeUInt32BE(body.length, offset + 1)
    framed.set(body, offset + headerBytes)
    offset += headerBytes + body.length
  }
  return framed
}

/**
 * Cuts a stream back into bodies. Holds at most one unfinished body, in a buffer that doubles with what really
 * arrived, so that small chunks cost linear time and a false length costs nothing.
 */
export class FrameReader {
  readonly #maxBodyBytes: number
  readonly #header = new Uint8Array(headerBytes)
  readonly #headerView = new DataView(this.#header.buffer)
  #headerFilled = 0
  #body: Uint8Array | undefined
  #bodyFilled = 0
  #bodyLength = 0

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes
  }

  /** Bytes of an unfinished frame that are held until the rest arrives. */
  get pendingBytes(): number {
    return this.#headerFilled + this.#bodyFilled
  }

  /**
   * Takes the next chunk and answers the bodies that it completes, in order; they may be views into the chunk.
   * Throws ProtocolError for an unknown version or a length above the limit; the reader is of no use afterwards.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const bodies: Uint8Array[] = []
    let offset = 0
    for (;;) {
      if (this.#headerFilled < headerBytes) {
        offset += this.#takeHeader(chunk, offset)
        if (this.#headerFilled < headerBytes) return bodies
      }
      const missing = this.#bodyLength - this.#bodyFilled
      const available = Math.min(missing, chunk.length - offset)
      if (this.#bodyFilled === 0 && available === missing) {
        bodies.push(chunk.subarray(offset, offset + missing))
        this.#reset()
      } else {
        this.#takeBody(chunk.subarray(offset, offset + available))
        if (available < missing) return bodies
        bodies.push((this.#body as Uint8Array).subarray(0, this.#bodyLength))
        this.#reset()
      }
      offset += available
      if (offset === chunk.length) return bodies
    }
  }

  #takeHeader(chunk: Uint8Array, offset: number): number {
    const taken = Math.min(headerBytes - this.#headerFilled, chunk.length - offset)
    // Byte by byte: a view for five of them costs more than they do, and there is a header for every token.
    for (let at = 0; at < taken; at++) this.#header[this.#headerFilled + at] = chunk[offset + at] as number
    this.#headerFilled += taken
    if (this.#headerFilled > 0 && this.#header[0] !== framingVersion) {
      throw new ProtocolError('version', `framing version ${this.#header[0]} where ${framingVersion} is spoken`)
    }
    if (this.#headerFilled === headerBytes) {
      this.#bodyLength = this.#headerView.getUint32(1)
      if (this.#bodyLength > this.#maxBodyBytes) {
        throw new ProtocolError('too-large', `a frame of ${this.#bodyLength} bytes; at most ${this.#maxBodyBytes}`)
      }
    }
    return taken
  }

  #takeBody(piece: Uint8Array): void {
    const needed = this.#bodyFilled + piece.length
    if (this.#body === undefined || this.#body.length < needed) {
      const doubled = Math.max(needed, firstBufferBytes, this.#bodyFilled * 2)
      const grown = new Uint8Array(Math.min(doubled, this.#bodyLength))
      if (this.#body !== undefined) grown.set(this.#body.subarray(0, this.#bodyFilled))
      this.#body = grown
    }
    this.#body.set(piece, this.#bodyFilled)
    this.#bodyFilled = needed
  }

  #reset(): void {
    this.#headerFilled = 0
    this.#body = undefined
    this.#bodyFilled = 0
    this.#bodyLength = 0
  }
}
