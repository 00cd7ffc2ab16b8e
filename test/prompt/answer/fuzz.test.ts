import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { thinkingTagsOf } from '../../../src/prompt/answer/detect.ts'
import { type CallFormatName, callFormats } from '../../../src/prompt/answer/formats.ts'
import { cases } from './cases.ts'
import { cut, type How, parse } from './kit.ts'

/** What any answer may be made of, JSON that nearly fits included. */
const common = [
  ...['{', '}', '[', ']', '"', '\\', ':', ',', ' ', '\n', '<', '>', 'a', 'now', 'get', 'get_weather', '{}', '(', ')'],
  ...['{"name":"now"}', '{"name":"get","arguments":{"key":"}"}}', '{"name":"x","arguments":{}}', '"name"', '<think>'],
  ...['</think>', '        '],
]

/** The tags of a format, whole and broken. */
function tagsOf(name: CallFormatName): string[] {
  const format = callFormats[name]
  if (format.kind === 'messages')
    return [...format.starts, format.headerEnd, ...format.ends, 'all', 'to=now', 'analysis']
  const tags = [...format.blocks.flatMap(({ open, close }) => [open, ...close]), ...format.silent]
  return [...tags, ...tags.map((tag) => tag.slice(0, -1)), ...piecesOf(name)]
}

/** What the cases of a format are made of, cut at their tags and line breaks. */
function piecesOf(name: CallFormatName): string[] {
  return cases.filter(({ how }) => how.calls === name).flatMap(({ raw }) => raw.split(/(?=[<[\n])|(?<=[>\]\n])/))
}

const tags = ['{', '[', '<tool_call>', '[TOOL_CALLS]', 'now']
const ways: readonly (readonly [title: string, how: How, tags: readonly string[]])[] = [
  ...(Object.keys(callFormats) as CallFormatName[]).map((calls) => [calls, { calls }, tagsOf(calls)] as const),
  ...tags.map((tag) => [`the tag ${tag}`, { calls: { tag } }, [tag, tag.slice(0, -1)]] as const),
]

/** Few characters of these have great effects, so that calls and near misses are frequent. */
function texts(tags: readonly string[]): fc.Arbitrary<string> {
  const fragment = fc.oneof(fc.constantFrom(...common), fc.constantFrom(...tags.filter((tag) => tag !== ''), 'b'))
  return fc.array(fragment, { maxLength: 24 }).map((fragments) => fragments.join(''))
}

const places = fc.array(fc.nat(), { maxLength: 30 })
const thinking = { open: '<think>', close: '</think>' }
/** The tags of every model that is known to think. */
const allThinking = ['<think>', '[THINK]', '<|START_THINKING|>', '<seed:think>', '<|inner_prefix|>', '<|channel>'].map(
  (sign) => thinkingTagsOf(sign) ?? thinking,
)

describe('any text at all', () => {
  for (const [title, how, tagsOfIt] of ways) {
    it(`means the same however it is cut: ${title}`, () => {
      fc.assert(
        fc.property(texts(tagsOfIt), places, fc.constantFrom(undefined, true, false), (text, ends, started) => {
          const all = started === undefined ? how : { ...how, thinking: { ...thinking, started } }
          const whole = parse([text], all)
          expect(parse(cut(text, ends), all)).toEqual(whole)
          expect(parse([...text], all)).toEqual(whole)
        }),
        { numRuns: 400 },
      )
    })
  }

  for (const [title, how, tagsOfIt] of ways) {
    const format = typeof how.calls === 'string' ? callFormats[how.calls] : undefined
    if (format?.kind === 'messages' || (format?.silent.length ?? 0) > 0) continue
    it(`is not lost and not doubled where nothing is a call: ${title}`, () => {
      let kept = 0
      fc.assert(
        fc.property(texts(tagsOfIt), places, (text, ends) => {
          const outcome = parse(cut(text, ends), how)
          if (outcome.calls.length > 0) return
          kept += 1
          expect(outcome.text).toBe(text)
        }),
        { numRuns: 400 },
      )
      expect(kept).toBeGreaterThan(20)
    })
  }

  it.each(allThinking)('loses nothing but $open and $close and the white space beside them', ({ open, close }) => {
    fc.assert(
      fc.property(
        texts([open, close, open.slice(0, -1), close.slice(1)]),
        places,
        fc.boolean(),
        (text, ends, started) => {
          const how = { tools: [], thinking: { open, close, started } }
          const outcome = parse(cut(text, ends), how)
          expect(outcome).toEqual(parse([text], how))
          // What is left when a tag is gone may be one.
          const rest = (all: string): string => {
            const less = all.replaceAll(open, '').replaceAll(close, '').replace(/\s/g, '')
            return less === all ? all : rest(less)
          }
          expect(rest(outcome.thinking + outcome.text)).toBe(rest(text))
        },
      ),
      { numRuns: 200 },
    )
  })
})
