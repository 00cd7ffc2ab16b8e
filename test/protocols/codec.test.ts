import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOfFloats, bytesOfTokens, decode, encode, floatsOfBytes, tokensOfBytes } from '../../protocols/codec.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'

const limits = { maxBytes: 64 * 1024, maxDepth: 16, maxValues: 4096 }

const refused = (bytes: number[] | Uint8Array, code: string, within = limits) => {
  let error: unknown
  try {
    decode(Uint8Array.from(bytes), within)
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(ProtocolError)
  expect((error as ProtocolError).code).toBe(code)
}

/** Everything that a message may hold. */
const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(
      fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 6, noNullPrototype: true },
    ),
  ),
})).value

describe('codec', () => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(normal(decode(encode(value), { maxBytes: 1 << 20, maxDepth: 64, maxValues: 1 << 16 }))).toEqual(
          normal(value),
        )
      }),
    )
  })

  it('answers any bytes with a value or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decode(bytes, limits)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('answers mutated bytes with a value or a ProtocolError', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(plain, edits, fc.nat(), (value, changes, cut) => {
        const bytes = Uint8Array.from(encode(value))
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        for (const candidate of [bytes, bytes.subarray(0, cut % (bytes.length + 1))]) {
          try {
            decode(candidate, limits)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('refuses more bytes than allowed before looking at them', () => {
    refused(new Uint8Array(limits.maxBytes + 1).fill(0xc1), 'too-large')
  })

  it('refuses more values than allowed, however few bytes they take', () => {
    refused([0xdd, 0, 0, 0x20, 0, ...new Array(0x2000).fill(0x80)], 'too-large')
  })

  it.each([
    ['an array', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['a short map', [0x8f, 0xa1, 0x61, 0x01]],
    ['a string', [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ['bytes', [0xc6, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ['a number', [0xcb, 1, 2, 3]],
    ['a length', [0xdd, 0, 0]],
    ['nothing at all', []],
  ])('refuses %s that announces more than is there', (_name, bytes) => refused(bytes, 'truncated'))

  it('refuses bytes after the value', () => refused([0x01, 0x02], 'trailing'))

  it('refuses containers nested deeper than allowed and accepts those that are not', () => {
    const nested = (depth: number) => [...new Array(depth).fill(0x91), 0xc0]
    expect(() => decode(Uint8Array.from(nested(limits.maxDepth)), limits)).not.toThrow()
    refused(nested(limits.maxDepth + 1), 'too-deep')
    refused([...new Array(60_000).fill(0x91), 0xc0], 'too-deep')
  })

  it('refuses 64-bit integers that a number cannot hold', () => {
    refused([0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 'integer-range')
    refused([0xd3, 0xff, 0xdf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'integer-range')
    expect(decode(Uint8Array.from([0xcf, 0, 0x1f, ...new Array(6).fill(0xff)]), limits)).toBe(Number.MAX_SAFE_INTEGER)
    expect(decode(Uint8Array.from([0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1]), limits)).toBe(Number.MIN_SAFE_INTEGER)
  })

  it.each([0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8])('refuses extension type %i', (token) => {
    refused([token, 1, 1, 1, 1, 1, 1, 1], 'extension')
  })

  it('refuses keys that are not strings, and the one that would reach a prototype', () => {
    refused([0x81, 0x01, 0x02], 'map-key')
    const key = [...Buffer.from('__proto__')]
    refused([0x81, 0xa9, ...key, 0x80], 'map-key')
    refused([0x81, 0xd9, 9, ...key, 0x80], 'map-key')
    refused([0x81, 0xda, 0, 9, ...key, 0x80], 'map-key')
    expect(decode(encode({ xx__proto__: 1 }), limits)).toEqual({ xx__proto__: 1 })
  })

  it('refuses text that is not UTF-8', () => {
    refused([0xa2, 0xc3, 0x28], 'malformed')
    refused([0xd9, 64, ...new Array(63).fill(0x61), 0xf0], 'malformed')
  })

  it('leaves out what is undefined', () => {
    expect(decode(encode({ a: undefined, b: 1 }), limits)).toEqual({ b: 1 })
  })

  it('carries vectors and token ids at any offset', () => {
    const vector = Float32Array.from([0, 1.5, -2.25, 3e38])
    const bytes = decode(encode(['x', bytesOfFloats(vector)]), limits) as [string, Uint8Array]
    expect(floatsOfBytes(bytes[1])).toEqual(vector)
    expect(tokensOfBytes(bytesOfTokens([0, 7, 4_294_967_295]))).toEqual([0, 7, 4_294_967_295])
    expect(() => floatsOfBytes(new Uint8Array(3))).toThrow(ProtocolError)
    expect(() => tokensOfBytes(new Uint8Array(5))).toThrow(ProtocolError)
  })
})

/** Buffers and Uint8Arrays, -0 and 0 are the same on this wire. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, normal(member)]))
  }
  return Object.is(value, -0) ? 0 : value
}
