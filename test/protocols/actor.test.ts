import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ActorFrame, decodeActorFrame, encodeActorFrame, maxActorFrameBytes } from '../../protocols/actor.ts'
import { encode } from '../../protocols/codec.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import { maxPathLength } from '../../protocols/ref.ts'
import { actorFrames } from './examples.ts'

const shape = expect.objectContaining({ name: 'ProtocolError', code: 'shape' })

describe('actor frames', () => {
  it('answer any mutation with a frame or a ProtocolError', () => {
    const frames = fc.constantFrom(...Object.values(actorFrames))
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (value, changes) => {
          const bytes = Uint8Array.from(encodeActorFrame(value))
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte
          try {
            expect(Object.keys(actorFrames).some((name) => name.startsWith(decodeActorFrame(bytes).kind))).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('leave an exit’s stack and output on the node where they arose', () => {
    const output: ActorFrame = { kind: 'down', watch: 1, epoch: 1, exit: { kind: 'normal', output: { secret: 1 } } }
    expect(decodeActorFrame(encodeActorFrame(output))).toEqual({ ...output, exit: { kind: 'normal' } })
    const failure = { name: 'Error', message: 'x', stack: 'at /home/someone' }
    const crash: ActorFrame = { kind: 'down', watch: 1, epoch: 1, exit: { kind: 'crash', failure } }
    const bytes = encodeActorFrame(crash)
    expect(Buffer.from(bytes).includes('someone')).toBe(false)
    expect(decodeActorFrame(bytes)).toEqual({
      ...crash,
      exit: { kind: 'crash', failure: { name: 'Error', message: 'x' } },
    })
  })

  it('cut an endless error message, and never through a character', () => {
    const failure = { name: 'Error', message: `x${'🦙'.repeat(10_000)}` }
    const frame = decodeActorFrame(
      encodeActorFrame({ kind: 'down', watch: 1, epoch: 1, exit: { kind: 'crash', failure } }),
    )
    expect(frame.kind === 'down' && frame.exit.kind === 'crash' && frame.exit.failure.message).toMatch(/^x🦙+�?$/u)
  })

  it('refuse to be written above their limit', () => {
    const message = { type: 'models.shown', piece: 'x'.repeat(maxActorFrameBytes) }
    expect(() => encodeActorFrame({ kind: 'reply', ask: 1, message })).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'too-large' }),
    )
  })

  it('ignore what a later version appends', () => {
    expect(decodeActorFrame(encode([6, 4, 'something new']))).toEqual({ kind: 'unwatch', watch: 4 })
  })

  const message = { type: 'x' }
  it.each([
    ['no array', { kind: 'tell' }],
    ['an unknown kind', [99]],
    ['an empty array', []],
    ['a negative epoch', [0, 'a', -1, message, '', 0]],
    ['a fractional epoch', [0, 'a', 1.5, message, '', 0]],
    ['a path that is too long', [0, 'a'.repeat(maxPathLength + 1), 0, message, '', 0]],
    ['a message without a type', [0, 'a', 0, {}, '', 0]],
    ['a message that is an array', [0, 'a', 0, ['x'], '', 0]],
    ['a message that is bytes', [0, 'a', 0, new Uint8Array(3), '', 0]],
    ['a missing deadline', [0, 'a', 0, message, '']],
    ['an endless trace id', [0, 'a', 0, message, 'f'.repeat(65), 0]],
    ['an unknown refusal', [3, 1, 'bored']],
    ['an unknown exit', [7, 1, 1, ['retired']]],
    ['a crash without a name', [7, 1, 1, ['crash']]],
    ['a NaN ask', [2, Number.NaN, message]],
  ])('are refused with %s', (_name, value) => {
    expect(() => decodeActorFrame(encode(value))).toThrow(shape)
  })
})
