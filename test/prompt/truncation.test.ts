import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../protocols/chat.ts'
import { cutMiddle, fitConversation, withoutBos } from '../../src/prompt/truncation.ts'

const message = (role: string, content: string): ChatMessage => ({ role, content })
const count = (messages: readonly ChatMessage[]) => messages.reduce((sum, { content }) => sum + content.length, 0)
const contents = (messages: readonly ChatMessage[], limit: number) =>
  fitConversation(messages, limit, count).map(({ content }) => content)

describe('a conversation that does not fit', () => {
  const talk = [message('system', 'ss'), message('user', 'aa'), message('assistant', 'bb'), message('user', 'cc')]

  it('loses as few of its oldest messages as it takes; system and the last stay', () => {
    expect(contents(talk, 8)).toEqual(['ss', 'aa', 'bb', 'cc'])
    expect(contents(talk, 7)).toEqual(['ss', 'bb', 'cc'])
    expect(contents(talk, 5)).toEqual(['ss', 'cc'])
    expect(contents(talk, 1)).toEqual(['ss', 'cc'])
  })

  it('keeps the call that a tool answers', () => {
    const caller = { ...message('assistant', 'ff'), toolCalls: [{ id: 'c', index: 0, name: 'f', arguments: {} }] }
    const tooled = [message('user', 'aa'), caller, message('tool', 'rr'), message('tool', 'tt')]
    expect(contents(tooled, 2)).toEqual(['ff', 'rr', 'tt'])
  })

  it('loses exactly what a search from the front finds', () => {
    const role = fc.constantFrom('system', 'user', 'assistant', 'tool')
    const messages = fc.array(fc.record({ role, content: fc.string({ minLength: 1, maxLength: 9 }) }), {
      minLength: 1,
      maxLength: 12,
    })
    fc.assert(
      fc.property(messages, fc.nat(60), (all, limit) => {
        const kept = [...all.keys()].map((start) =>
          all.filter(({ role }, index) => index >= start || role === 'system'),
        )
        const expected = kept.find((candidate) => count(candidate) <= limit) ?? kept.at(-1)
        expect(fitConversation(all, limit, count)).toEqual(expected)
      }),
    )
  })
})

describe('a prompt that does not fit', () => {
  it('loses its middle, so that half of what is not kept is free', () => {
    const tokens = [...Array(100).keys()]
    expect(cutMiddle(tokens, 100, 4)).toEqual(tokens)
    const cut = cutMiddle(tokens, 20, 4)
    expect(cut).toEqual([0, 1, 2, 3, 92, 93, 94, 95, 96, 97, 98, 99])
    expect(cutMiddle(tokens, 4, 50)).toEqual([0, 1, 2])
  })

  it('never has more tokens than the context has room for', () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.integer({ min: 4, max: 100 }),
        fc.integer({ min: -1, max: 150 }),
        (length, limit, keep) => {
          expect(cutMiddle([...Array(length).keys()], limit, keep).length).toBeLessThanOrEqual(limit)
        },
      ),
    )
  })

  it('does not begin twice', () => {
    expect(withoutBos('<s>x', '<s>', true)).toBe('x')
    expect(withoutBos('<s>x', '<s>', false)).toBe('<s>x')
    expect(withoutBos('x', '', true)).toBe('x')
  })
})
