import fc from 'fast-check'
import { unpack } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { decodeInferFrame, encodeInferFrame } from '../../protocols/infer-frame.ts'
import { readPlainToken } from '../../protocols/plain-token.ts'

const mark = 3
const id = fc.oneof(fc.nat(300), fc.nat(70_000), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const frames = fc.record({
  kind: fc.constant('token' as const),
  index: id,
  tokens: fc.array(id, { maxLength: 20 }),
  text: fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 40 })),
})

describe('a token that is read by hand', () => {
  it('is one of a few plain letters, as nearly all are', () => {
    const frame = { kind: 'token', index: 70_000, tokens: [151_643, 7], text: ' river\n' } as const
    expect(readPlainToken(encodeInferFrame(frame), mark)).toEqual(frame)
  })

  it('comes back as it went in, read by hand or not', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeInferFrame(encodeInferFrame(frame))).toEqual(frame)
      }),
    )
  })

  it('is what the decoder reads, or is left to it, whatever happens to its bytes', () => {
    const changes = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(frames, changes, fc.integer({ min: -3, max: 3 }), (frame, changed, longer) => {
        const whole = encodeInferFrame(frame)
        const bytes = new Uint8Array(Math.max(0, whole.length + longer))
        bytes.set(whole.subarray(0, bytes.length))
        for (const [at, value] of changed) if (at < bytes.length) bytes[at] = value
        const read = readPlainToken(bytes, mark)
        if (read !== undefined) expect([mark, read.index, read.tokens, read.text]).toEqual(unpack(bytes))
      }),
      { numRuns: 3000 },
    )
  })
})
