import os from 'node:os'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitConversation, fitPrompt, messagesOf } from '../../src/engine/conversation.ts'
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

describe('a conversation', () => {
  const user = (content: string) => ({ role: 'user', content })

  it('begins with the system message of the request, else with that of the model', () => {
    const chat = (messages: { role: string; content: string }[]) => ({ kind: 'chat', messages }) as const
    expect(messagesOf(chat([user('a')]), 'be kind')[0]).toEqual({ role: 'system', content: 'be kind' })
    const own = [{ role: 'system', content: 'be brief' }, user('a')]
    expect(messagesOf(chat(own), 'be kind')).toEqual(own)
    const generate = { kind: 'generate', prompt: 'a', system: 'be brief', raw: false } as const
    expect(messagesOf(generate, 'be kind')).toEqual(own)
    expect(messagesOf({ ...generate, system: '' }, 'be kind')).toEqual([user('a')])
  })

  it('loses as few of its oldest messages as fit the limit, never a system message nor the last', async () => {
    const text = (messages: readonly { content: string }[]) => messages.map(({ content }) => content).join('')
    const render = async (messages: readonly { content: string }[]) => {
      return { text: text(messages), tokens: text(messages).length }
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 99 }),
        async (sizes, limit) => {
          const messages = [{ role: 'system', content: '1' }, ...sizes.map((size) => user('2'.repeat(size))), user('3')]
          let kept = [...sizes]
          while (kept.length > 0 && kept.reduce((sum, size) => sum + size, 2) > limit) kept = kept.slice(1)
          const expected = text([{ content: '1' }, ...kept.map((size) => user('2'.repeat(size))), user('3')])
          expect(await fitConversation(messages, limit, render)).toBe(expected)
        },
      ),
    )
  })
})

describe('a prompt that is longer than the context', () => {
  const tokens = Array.from({ length: 100 }, (_, at) => at)

  it('keeps its beginning and its end, and leaves half of what is not kept for the answer', () => {
    const cut = fitPrompt(tokens, 40, 4)
    expect(cut).toHaveLength(40 - 18)
    expect(cut?.slice(0, 5)).toEqual([0, 1, 2, 3, 82])
    expect(cut?.at(-1)).toBe(99)
  })

  it('is not cut where it fits, and nothing where it may not be', () => {
    expect(fitPrompt(tokens, 101, undefined)).toBe(tokens)
    expect(fitPrompt(tokens, 100, undefined)).toBeUndefined()
  })

  it('always leaves room for one token, whatever is to be kept', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(300), (contextTokens, keep) => {
        const cut = fitPrompt(tokens, contextTokens, keep) ?? []
        expect(cut.length).toBeLessThan(contextTokens)
        expect(cut.length).toBeGreaterThan(0)
        expect(cut.at(-1)).toBe(99)
      }),
    )
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
