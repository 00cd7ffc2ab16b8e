import { describe, expect, it } from 'vitest'
import { createAnswerParser } from '../../../src/prompt/answer/answer-parser.ts'
import { parserFor, tools } from './kit.ts'

const think = { open: '<think>', close: '</think>', started: false }

/** After which pieces thoughts may still come. */
function thinksAfter(parser: ReturnType<typeof parserFor>, pieces: readonly string[]): boolean[] {
  return pieces.map((piece) => {
    parser.push(piece)
    return parser.thinks
  })
}

describe('an answer', () => {
  it('passes through piece by piece where there are no tools and no thoughts', () => {
    const parser = parserFor({ calls: 'hermes', tools: [] })
    expect(parser.push('<tool_call>')).toEqual([{ text: '<tool_call>' }])
    expect(parser.push('{<think>')).toEqual([{ text: '{<think>' }])
    expect(parser.finish()).toEqual([])
    expect(parser.thinks).toBe(false)
  })

  it('holds back only what may become a tag', () => {
    const parser = parserFor({ calls: 'hermes' })
    expect(parser.push('It is a < b')).toEqual([{ text: 'It is a < b' }])
    expect(parser.push(' <tool')).toEqual([])
    expect(parser.push('box>')).toEqual([{ text: ' <toolbox>' }])
  })

  it('gives a call at its last bracket, whole, numbered and with an id of its own', () => {
    let drawn = 0
    const parser = createAnswerParser({ tools, calls: 'hermes', random: () => (drawn++ % 36) / 36 })
    expect(parser.push('Hi <tool_call>{"name":"get","arguments":{"key":"')).toEqual([{ text: 'Hi' }])
    const [first] = parser.push('v"}}')
    expect(first).toEqual({
      toolCalls: [{ id: 'call_abcdefgh', index: 0, name: 'get', arguments: { key: 'v' } }],
    })
    const [second] = parser.push('</tool_call><tool_call>{"name":"now"}')
    expect(second?.toolCalls).toEqual([{ id: 'call_ijklmnop', index: 1, name: 'now', arguments: {} }])
  })

  it('keeps the order of arguments', () => {
    const parser = parserFor({ calls: { tag: '{' } })
    const deltas = parser.push('{"name":"get","arguments":{"z":1,"a":{"y":2,"b":3},"key":4}}')
    expect(JSON.stringify(deltas[0]?.toolCalls?.[0]?.arguments)).toBe('{"z":1,"a":{"y":2,"b":3},"key":4}')
  })

  it('tells what it adds in the order in which it was written', () => {
    const parser = parserFor({ calls: 'hermes', thinking: think })
    const deltas = parser.push('<think>a</think>b<tool_call>{"name":"now"}</tool_call>c ')
    expect(deltas.map((delta) => Object.keys(delta)[0])).toEqual(['thinking', 'text', 'toolCalls', 'text'])
  })

  it('says from which piece on there are no more thoughts', () => {
    const pieces = ['\n', '<thi', 'nk>', 'a', '</th', 'ink>', 'b']
    expect(thinksAfter(parserFor({ thinking: think }), pieces)).toEqual([true, true, true, true, true, false, false])
    expect(thinksAfter(parserFor({ thinking: think }), ['{', '"a"'])).toEqual([false, false])
    expect(thinksAfter(parserFor({ thinking: { ...think, started: true } }), ['a', '</think>'])).toEqual([true, false])
  })

  it('says so for messages when the first begins that is no thought', () => {
    const pieces = [
      '<|channel|>',
      'analysis<|message|>',
      'a<|end|><|start|>assistant',
      '<|channel|>final<|message|>',
      'b',
    ]
    expect(thinksAfter(parserFor({ calls: 'harmony' }), pieces)).toEqual([true, true, true, false, false])
  })

  it('shows messages of harmony as text and thoughts where no tools may be called', () => {
    const parser = parserFor({ calls: 'harmony', tools: [] })
    expect(parser.push('<|channel|>commentary to=functions.now<|message|>{}<|call|>')).toEqual([{ text: '{}' }])
  })
})
