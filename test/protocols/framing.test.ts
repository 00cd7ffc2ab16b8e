import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader, frame } from '../../protocols/framing.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'

const limit = 1 << 20

describe('framing', () => {
  it('gives back the bodies however the stream is cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
        const stream = frame(sent)
        const reader = new FrameReader(limit)
        const received: number[][] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] as number
          for (const body of reader.push(stream.subarray(at, at + size))) received.push([...body])
          at += size
        }
        expect(received).toEqual(sent.map((body) => [...body]))
        expect(reader.pendingBytes).toBe(0)
      }),
    )
  })

  it('takes a large frame in small chunks in time that grows with its size, not its square', () => {
    const body = new Uint8Array(32 << 20).fill(7)
    const stream = frame([body])
    const reader = new FrameReader(body.length)
    const started = performance.now()
    let received: Uint8Array[] = []
    for (let at = 0; at < stream.length; at += 1024) received = reader.push(stream.subarray(at, at + 1024))
    // 32 K chunks: copying what is already there for each would move 512 GiB.
    expect(performance.now() - started).toBeLessThan(5000)
    expect(received[0]?.length).toBe(body.length)
    expect(received[0]?.at(-1)).toBe(7)
  })

  it('refuses another version at its first byte', () => {
    expect(() => new FrameReader(limit).push(Uint8Array.from([2]))).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'version' }),
    )
  })

  it('refuses a length above the limit before the body arrives', () => {
    expect(() => new FrameReader(limit).push(Uint8Array.from([1, 0xff, 0xff, 0xff, 0xff]))).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
  })

  it('holds no more than arrived of a frame that is announced as large', () => {
    const reader = new FrameReader(limit)
    reader.push(Uint8Array.from([1, 0, 0x10, 0, 0, 1, 2, 3]))
    expect(reader.pendingBytes).toBe(8)
  })

  it('answers any bytes with bodies or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const reader = new FrameReader(16)
        try {
          for (const chunk of chunks) for (const body of reader.push(chunk)) expect(body.length).toBeLessThanOrEqual(16)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
