import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encode } from '../../protocols/codec.ts'
import { decodeInferFrame, encodeInferFrame, maxInferFrameBytes } from '../../protocols/infer-frame.ts'
import { decodeInferRequest, encodeInferRequest, maxInferRequestBytes } from '../../protocols/infer-request.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import { inferFrames, inferRequests } from './examples.ts'

const shape = expect.objectContaining({ name: 'ProtocolError', code: 'shape' })
const tooLarge = expect.objectContaining({ name: 'ProtocolError', code: 'too-large' })

function mutationsOf(examples: readonly Uint8Array[], decode: (bytes: Uint8Array) => unknown): void {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom(...examples), changes, (example, edits) => {
      const bytes = Uint8Array.from(example)
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte
      try {
        decode(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
    }),
    { numRuns: 2000 },
  )
}

describe('infer requests', () => {
  it('answer any mutation with a request or a ProtocolError', () => {
    mutationsOf(Object.values(inferRequests).map(encodeInferRequest), decodeInferRequest)
  })

  it('keep the fields that a later version adds out of the way', () => {
    expect(decodeInferRequest(encode({ ...inferRequests.load, colour: 'blue' }))).toMatchObject(
      inferRequests.load as object,
    )
  })

  it('refuse to be written above their limit', () => {
    const prompt = 'x'.repeat(maxInferRequestBytes)
    expect(() =>
      encodeInferRequest({
        ...(inferRequests.chat as never as object),
        work: { kind: 'generate', prompt, raw: true },
      } as never),
    ).toThrow(tooLarge)
  })

  const user = { role: 'user', content: 'x' }
  const calling = (id: string) => ({ ...user, toolCalls: [{ id, index: 0, name: 'f', arguments: {} }] })
  const deep = JSON.parse(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`) as object
  it.each([
    [
      'the id of a call has 513 characters',
      { messages: [user, calling('x'.repeat(513))] },
      'shape',
      /work\.messages\.1\.toolCalls\.0\.id$/,
    ],
    ['there are 8193 messages', { messages: Array(8193).fill(user) }, 'shape', /work\.messages$/],
    ['a format nests too deep', { messages: [user], format: deep }, 'too-deep', /64 containers/],
    ['a format has too many values', { messages: [user], format: { enum: Array(70_000).fill(0) } }, 'too-large', /./],
  ])(
    'are not even written where a worker would take them for a breach of the protocol: %s',
    (_what, work, code, message) => {
      const request = { ...(inferRequests.chat as object), work: { kind: 'chat', ...work } } as never
      expect(() => encodeInferRequest(request)).toThrow(
        expect.objectContaining({ name: 'ProtocolError', code, message: expect.stringMatching(message) }),
      )
    },
  )

  const load = inferRequests.load as object
  it.each([
    ['no digest', { ...load, digest: undefined }],
    ['a digest that is none', { ...load, digest: '../../etc' }],
    ['unknown work', { ...load, work: { kind: 'paint' } }],
    ['a negative deadline', { ...load, remainingMs: -1 }],
    ['options that are a list', { ...load, options: [1] }],
    ['a resume that is no run of tokens', { ...load, resume: { tokens: [1, 2] } }],
    ['a resume cut in the middle of a token', { ...load, resume: { tokens: new Uint8Array(5) } }],
    ['a message without content', { ...load, work: { kind: 'chat', messages: [{ role: 'user' }] } }],
  ])('are refused with %s', (_name, value) => {
    expect(() => decodeInferRequest(encode(value))).toThrow(shape)
  })
})

describe('infer frames', () => {
  it('answer any mutation with a frame or a ProtocolError', () => {
    mutationsOf(Object.values(inferFrames).map(encodeInferFrame), decodeInferFrame)
  })

  it('carry any text and any tokens', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat()), fc.string({ unit: 'grapheme' }), (index, tokens, text) => {
        const token = { kind: 'token' as const, index, tokens, text }
        expect(decodeInferFrame(encodeInferFrame(token))).toEqual(token)
      }),
    )
  })

  it('refuse to be written above their limit', () => {
    expect(() =>
      encodeInferFrame({ kind: 'embedding', index: 0, vector: new Float32Array(maxInferFrameBytes / 4) }),
    ).toThrow(tooLarge)
  })

  it.each([
    ['no array', { kind: 'token' }],
    ['an unknown kind', [99]],
    ['tokens that are no numbers', [3, 0, ['a'], '']],
    ['a negative index', [3, -1, [], '']],
    ['a NaN index', [3, Number.NaN, [], '']],
    ['text that is a number', [3, 0, [], 5]],
    ['an unknown phase', [2, 'daydreaming', 0, 0]],
    ['an unknown refusal', [1, 'bored', '', 0, 0, 0]],
    ['an unknown failure', [6, 'bored', '']],
    ['a vector of half a float', [4, 0, new Uint8Array(6)]],
    ['a load without slots', [0, 1, 1]],
    ['an end that is cut short', [5, 'stop', 1]],
  ])('are refused with %s', (_name, value) => {
    expect(() => decodeInferFrame(encode(value))).toThrow(shape)
  })
})
