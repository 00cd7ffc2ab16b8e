import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../protocols/chat.ts'
import { fitConversation, fitPrompt, keptTokens, withoutBos } from '../../src/prompt/truncation.ts'

const message = (role: string, content: string): ChatMessage => ({ role, content })
const count = async (messages: readonly ChatMessage[]) => messages.reduce((sum, { content }) => sum + content.length, 0)
const contents = async (messages: readonly ChatMessage[], limit: number) =>
  (await fitConversation(messages, limit, count)).map(({ content }) => content)

describe('a conversation that does not fit', () => {
  const talk = [message('system', 'ss'), message('user', 'aa'), message('assistant', 'bb'), message('user', 'cc')]

  it('loses as few of its oldest messages as it takes; system and the last stay', async () => {
    expect(await contents(talk, 8)).toEqual(['ss', 'aa', 'bb', 'cc'])
    expect(await contents(talk, 7)).toEqual(['ss', 'bb', 'cc'])
    expect(await contents(talk, 5)).toEqual(['ss', 'cc'])
    expect(await contents(talk, 1)).toEqual(['ss', 'cc'])
  })

  it('keeps the call that a tool answers', async () => {
    const caller = { ...message('assistant', 'ff'), toolCalls: [{ id: 'c', index: 0, name: 'f', arguments: {} }] }
    const tooled = [message('user', 'aa'), caller, message('tool', 'rr'), message('tool', 'tt')]
    expect(await contents(tooled, 2)).toEqual(['ff', 'rr', 'tt'])
  })

  it('loses exactly what a search from the front finds', async () => {
    const role = fc.constantFrom('system', 'user', 'assistant', 'tool')
    const messages = fc.array(fc.record({ role, content: fc.string({ minLength: 1, maxLength: 9 }) }), {
      minLength: 1,
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(messages, fc.nat(60), async (all, limit) => {
        const kept = [...all.keys()].map((start) =>
          all.filter(({ role }, index) => index >= start || role === 'system'),
        )
        const counts = await Promise.all(kept.map(count))
        const expected = kept.find((_, index) => (counts[index] ?? 0) <= limit) ?? kept.at(-1)
        expect(await fitConversation(all, limit, count)).toEqual(expected)
      }),
    )
  })
})

describe('a prompt that does not fit', () => {
  const tokens = [...Array(100).keys()]
  const room = { keep: 0, truncate: true, shift: true }

  it('keeps its beginning and its end, and leaves half of what is not kept for the answer', () => {
    const cut = fitPrompt(tokens, { ...room, contextTokens: 40, keep: 4 })
    expect(cut).toHaveLength(40 - 18)
    expect(cut.slice(0, 5)).toEqual([0, 1, 2, 3, 82])
    expect(cut.at(-1)).toBe(99)
  })

  it('keeps nothing but its beginning where all of that is to be kept', () => {
    expect(fitPrompt(tokens, { ...room, contextTokens: 40, keep: -1 })).toEqual(tokens.slice(0, 39))
  })

  it('keeps the mark of its beginning beside what is to be kept', () => {
    expect([keptTokens(4, true), keptTokens(4, false), keptTokens(-1, true)]).toEqual([5, 4, -1])
  })

  it('is not cut where it fits, and nothing where it may not be', () => {
    expect(fitPrompt(tokens, { ...room, contextTokens: 101, shift: false })).toBe(tokens)
    expect(() => fitPrompt(tokens, { ...room, contextTokens: 100, shift: false })).toThrow(
      /^the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the/,
    )
    expect(() => fitPrompt(tokens, { ...room, contextTokens: 100, truncate: false })).toThrow(
      '"message":"request (100 tokens) exceeds the available context size (100 tokens), try increasing it"',
    )
  })

  it('always leaves room for one token, whatever is to be kept', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.integer({ min: -1, max: 300 }), (contextTokens, keep) => {
        const cut = fitPrompt(tokens, { ...room, contextTokens, keep })
        expect(cut.length).toBeLessThan(contextTokens)
        expect(cut.length).toBeGreaterThan(0)
        if (keep >= 0 && keep < contextTokens - 1) expect(cut.at(-1)).toBe(99)
      }),
    )
  })

  it('does not begin twice', () => {
    expect(withoutBos('<s>x', '<s>', true)).toBe('x')
    expect(withoutBos('<s>x', '<s>', false)).toBe('<s>x')
    expect(withoutBos('x', '', true)).toBe('x')
  })
})
