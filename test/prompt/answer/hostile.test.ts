import { describe, expect, it } from 'vitest'
import { type CallFormatName, callFormats } from '../../../src/prompt/answer/formats.ts'
import { maxHeldChars } from '../../../src/prompt/answer/held.ts'
import { type How, parse, parserFor } from './kit.ts'

const names = Object.keys(callFormats) as CallFormatName[]
const ways: readonly How[] = [
  ...names.map((calls): How => ({ calls })),
  ...['{', '[', '<tool_call>'].map((tag): How => ({ calls: { tag } })),
]

function opensOf(how: How): string[] {
  if (typeof how.calls !== 'string') return how.calls === undefined ? [] : [how.calls.tag]
  const format = callFormats[how.calls]
  return format.kind === 'messages' ? [...format.starts] : format.blocks.map(({ open }) => open)
}

function piecesOf(text: string, length: number): string[] {
  return Array.from({ length: Math.ceil(text.length / length) }, (_, index) =>
    text.slice(index * length, (index + 1) * length),
  )
}

/** Work that grows with the square of these would take many times the time limit of a test. */
const manyChars = 100_000

describe('hostile text', () => {
  for (const [title, body] of [
    ['braces without end', '{'.repeat(manyChars)],
    ['brackets and braces in turn', '[{'.repeat(manyChars / 2)],
    ['a string without end', `{"name":"now","arguments":"${'x'.repeat(manyChars)}`],
    ['escapes without end', `{"a":"${'\\"'.repeat(manyChars / 2)}`],
    ['white space without end', ' \n'.repeat(manyChars / 2)],
    ['a name without end', 'n'.repeat(manyChars)],
    ['quotes', '"'.repeat(manyChars)],
    ['objects that call nothing', '{"a":1}'.repeat(manyChars / 7)],
    ['half tags', '<tool_cal'.repeat(manyChars / 9)],
  ] as const) {
    it(`costs its length once and is text: ${title}`, () => {
      for (const how of ways) {
        for (const open of opensOf(how)) {
          const text = open + body
          const whole = parse([text], how)
          expect(whole.calls).toEqual([])
          expect(parse(piecesOf(text, 3), how)).toEqual(whole)
        }
      }
    }, 60_000)
  }

  it('costs its length once: opening tags without end', () => {
    for (const how of ways) {
      for (const open of opensOf(how).filter((tag) => tag !== '')) {
        const text = open.repeat(manyChars / open.length)
        expect(parse(piecesOf(text, 5), how)).toEqual(parse([text], how))
      }
    }
  }, 60_000)

  it('is given out as text when a call becomes longer than may be kept, wherever it is cut', () => {
    for (const [how, open] of [
      [{ calls: 'hermes' }, '<tool_call>{"name":"'],
      [{ calls: 'qwen' }, '<tool_call><function=get><parameter=key>'],
      [{ calls: 'harmony' }, '<|channel|>commentary to=now<|message|>{"a":"'],
      [{ calls: { tag: '{' } }, '{"name":"'],
      [{ calls: { tag: '<tool_call>' } }, '<tool_call>'],
    ] as const) {
      const parser = parserFor(how)
      const before = [...parser.push(open), ...parser.push('x'.repeat(maxHeldChars - open.length))]
      expect(before).toEqual([])
      const text = [...parser.push('yy'), ...parser.push('zz')].map((delta) => delta.text).join('')
      expect(text).toBe(`${open}${'x'.repeat(maxHeldChars - open.length)}yyzz`)
    }
  })

  it('makes no more calls than an answer may have', () => {
    const outcome = parse(['<tool_call>{"name":"now"}</tool_call>'.repeat(300)], { calls: 'hermes' })
    expect(outcome.calls).toHaveLength(256)
    expect(outcome.text).toBe('<tool_call>{"name":"now"}</tool_call>'.repeat(44))
  })

  it('keeps arguments shallow enough to be walked, and text that nests deeper as text', () => {
    const deep = (levels: number) => `{"name":"now","arguments":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`
    expect(parse([deep(99)], { calls: 'json' }).calls).toHaveLength(1)
    expect(parse([deep(100)], { calls: 'json' }).text).toBe(deep(100))
    const literal = (levels: number) =>
      `<function_calls>get(key=${'['.repeat(levels)}${']'.repeat(levels)})</function_calls>`
    expect(parse([literal(90)], { calls: 'olmo' }).calls).toHaveLength(1)
    expect(parse([literal(100_000)], { calls: 'olmo' }).text).toBe(literal(100_000))
  })

  it('may name an argument as every object is made', () => {
    const raw = '<function=get><parameter=__proto__>1</parameter></function>'
    const args = parse([raw], { calls: 'qwen' }).calls[0]?.arguments
    expect(Object.entries(args ?? {})).toEqual([['__proto__', '1']])
  })
})
