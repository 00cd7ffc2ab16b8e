/** Go's literals: what a quoted string or a number in a template stands for. */
import type { Token } from './lexer.ts'

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
}

const escapeSequence = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/gsu

/** The value of a string token; undefined where an escape means nothing. */
export function stringValue(token: Token): string | undefined {
  const inner = token.text.slice(1, -1)
  if (token.kind === 'rawString') return inner.replaceAll('\r', '')
  if (!inner.includes('\\')) return inner
  const bytes: number[] = []
  const encoder = new TextEncoder()
  let at = 0
  for (const found of inner.matchAll(escapeSequence)) {
    bytes.push(...encoder.encode(inner.slice(at, found.index)))
    const value = escapeBytes(found, '"')
    if (value === undefined) return undefined
    bytes.push(...value)
    at = found.index + found[0].length
  }
  bytes.push(...encoder.encode(inner.slice(at)))
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
}

/** The value of a number or character token: a bigint is Go's int, a number its float64; undefined where it is neither. */
export function numberValue(token: Token): bigint | number | undefined {
  return token.kind === 'char' ? characterValue(token.text.slice(1, -1)) : plainNumber(token.text)
}

function plainNumber(text: string): bigint | number | undefined {
  if (/_$|__|^[+-]?_/.test(text)) return undefined
  const digits = text.replaceAll('_', '')
  const negative = digits.startsWith('-')
  const body = digits.replace(/^[+-]/, '')
  if (/^0[xXoObB]/.test(body) || /^\d+$/.test(body)) {
    const octal = /^0\d+$/.test(body)
    if (octal && /[89]/.test(body)) return undefined
    const magnitude = BigInt(octal ? `0o${body.slice(1)}` : body)
    const value = negative ? -magnitude : magnitude
    return BigInt.asIntN(64, value) === value ? value : undefined
  }
  const value = Number(digits)
  return Number.isFinite(value) ? value : undefined
}

function characterValue(inner: string): bigint | undefined {
  if (!inner.startsWith('\\')) return [...inner].length === 1 ? BigInt(inner.codePointAt(0) ?? 0) : undefined
  const found = [...inner.matchAll(escapeSequence)][0]
  if (found === undefined || found[0].length !== inner.length) return undefined
  const code = codeOf(found, "'")
  return code === undefined ? undefined : BigInt(code)
}

function escapeBytes(found: RegExpExecArray, quote: string): (ArrayLike<number> & Iterable<number>) | undefined {
  const code = codeOf(found, quote)
  if (code === undefined) return undefined
  const isByte = found[1] !== undefined || found[4] !== undefined
  return isByte ? [code] : new TextEncoder().encode(String.fromCodePoint(code))
}

/** The code point or byte of an escape. The other kind of quote may not be escaped. */
function codeOf(found: RegExpExecArray, quote: string): number | undefined {
  const [, hex, short, long, octal, letter] = found
  if (octal !== undefined) {
    const value = Number.parseInt(octal, 8)
    return value < 256 ? value : undefined
  }
  const digits = hex ?? short ?? long
  if (digits !== undefined) {
    const value = Number.parseInt(digits, 16)
    const surrogate = hex === undefined && value >= 0xd800 && value < 0xe000
    return value > 0x10ffff || surrogate ? undefined : value
  }
  if ((letter === '"' || letter === "'") && letter !== quote) return undefined
  return simpleEscapes[letter ?? '']
}
