import os from 'node:os'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultThreads } from '../../src/engine/drivers.ts'
import { OptionError, resolveOptions } from '../../src/engine/options.ts'
import { chooseSlot, commonPrefix } from '../../src/engine/slot-choice.ts'
import { Utf8Pieces } from '../../src/engine/utf8.ts'

describe('options', () => {
  it("are Ollama's defaults, then the model's, then the request's", () => {
    const merged = resolveOptions({ temperature: 0.1, top_k: 7, stop: ['x'] }, { temperature: 0.2, seed: 3 })
    expect(merged).toMatchObject({ temperature: 0.2, top_k: 7, stop: ['x'], seed: 3, top_p: 0.9, repeat_penalty: 1 })
  })

  it('ignore names that nobody knows and values that are null, and cut fractions off integers', () => {
    const merged = resolveOptions({}, { tempreature: 'hot', toString: 1, temperature: null, top_k: 7.9, num_ctx: 2048 })
    expect(merged).toEqual({ ...resolveOptions({}, {}), top_k: 7 })
  })

  it.each([
    [{ temperature: '1' }, 'option "temperature" must be of type float32'],
    [{ seed: '1' }, 'option "seed" must be of type integer'],
    [{ num_ctx: true }, 'option "num_ctx" must be of type integer'],
    [{ use_mmap: 1 }, 'option "use_mmap" must be of type boolean'],
    [{ stop: 'x' }, 'option "stop" must be of type array'],
    [{ stop: [1] }, 'option "stop" must be of an array of strings'],
    [{ top_p: Number.NaN }, 'option "top_p" must be of type float32'],
  ])("refuse %j in Ollama's words", (options, message) => {
    expect(() => resolveOptions({}, options)).toThrow(OptionError)
    expect(() => resolveOptions({}, options)).toThrow(message)
  })
})

it('leaves one core to Node, where there is more than one', () => {
  expect(defaultThreads()).toBe(Math.max(1, os.availableParallelism() - 1))
})

describe('the choice of a slot', () => {
  it('is the lowest free one', () => {
    expect(chooseSlot([1, 2, 3].map((id) => ({ id, prefix: 0 })))).toBe(1)
    expect(chooseSlot([])).toBeUndefined()
  })

  it('is another one when that holds clearly more of the prompt', () => {
    const free = [
      { id: 0, prefix: 5 },
      { id: 1, prefix: 8 },
      { id: 2, prefix: 90 },
      { id: 3, prefix: 80 },
    ]
    expect(chooseSlot(free)).toBe(2)
    expect(chooseSlot(free.slice(0, 2))).toBe(0)
  })

  it('counts the tokens that two lists share', () => {
    expect(commonPrefix([1, 2, 3], [1, 2, 4, 5])).toBe(2)
    expect(commonPrefix([], [1])).toBe(0)
  })
})

describe('text from tokens that split characters', () => {
  const decode = (tokens: readonly number[]) => new TextDecoder().decode(Uint8Array.from(tokens))

  it('comes out whole, a character at a time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        const clean = text.replaceAll('\uFFFD', '').replaceAll('\uFEFF', '')
        const pieces = new Utf8Pieces(decode, [])
        const bytes = new TextEncoder().encode(clean)
        const seen = [...bytes].map((byte) => pieces.push(byte)).filter((piece) => piece !== undefined)
        expect(pieces.flush()).toBeUndefined()
        expect(seen.map((piece) => piece.text).join('')).toBe(clean)
        expect(seen.flatMap((piece) => piece.tokens)).toEqual([...bytes])
        for (const { text: part } of seen) expect(part).not.toContain('\uFFFD')
      }),
    )
  })

  it('is not held back for ever by bytes that are no text', () => {
    const pieces = new Utf8Pieces(decode, [])
    const seen = Array.from({ length: 64 }, () => pieces.push(0xff)).filter((piece) => piece !== undefined)
    expect(seen.length).toBeGreaterThan(1)
  })
})
