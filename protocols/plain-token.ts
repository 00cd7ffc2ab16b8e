/**
 * The frame that nearly every token is, `[3, index, [token, …], text]` with a few letters of ASCII, read by hand: scan and
 * decoder are made for every value there is, and took a fifth of the entry node's time for a token.
 */

export interface PlainToken {
  readonly kind: 'token'
  readonly index: number
  readonly tokens: readonly number[]
  readonly text: string
}

const arrayOfFour = 0x94

/**
 * @param mark the first element of a token's frame
 * @returns undefined for every other value, well-formed or not: the decoder tells which
 */
export function readPlainToken(bytes: Uint8Array, mark: number): PlainToken | undefined {
  if (bytes[0] !== arrayOfFour || bytes[1] !== mark) return undefined
  const indexWidth = widthAt(bytes, 2)
  if (indexWidth === 0) return undefined
  const index = unsignedAt(bytes, 2, indexWidth)
  let at = 2 + indexWidth
  const count = (bytes[at++] ?? 0) - 0x90
  if (count < 0 || count > 15) return undefined
  const tokens: number[] = []
  for (let read = 0; read < count; read++) {
    const width = widthAt(bytes, at)
    if (width === 0) return undefined
    tokens.push(unsignedAt(bytes, at, width))
    at += width
  }
  const length = (bytes[at++] ?? 0) - 0xa0
  // Where the bytes ended early, this is past them: nothing that was read beyond them is used.
  if (length < 0 || length > 31 || at + length !== bytes.length) return undefined
  let text = ''
  for (; at < bytes.length; at++) {
    const letter = bytes[at] as number
    if (letter >= 0x80) return undefined
    text += String.fromCharCode(letter)
  }
  return { kind: 'token', index, tokens, text }
}

/** Bytes that an integer of at most 32 bits takes, unsigned; 0: it is something else. */
function widthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0xc1
  if (first < 0x80) return 1
  if (first === 0xcc) return 2
  if (first === 0xcd) return 3
  return first === 0xce ? 5 : 0
}

function unsignedAt(bytes: Uint8Array, at: number, width: number): number {
  if (width === 1) return bytes[at] as number
  let value = 0
  for (let next = at + 1; next < at + width; next++) value = value * 256 + (bytes[next] as number)
  return value
}
