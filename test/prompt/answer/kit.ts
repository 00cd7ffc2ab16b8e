/** Runs a parser over pieces and gathers what came out. */
import type { Tool } from '../../../protocols/chat.ts'
import { type AnswerParserInit, createAnswerParser } from '../../../src/prompt/answer/answer-parser.ts'

export interface Outcome {
  readonly text: string
  readonly thinking: string
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[]
}

function tool(name: string, properties: Record<string, unknown>): Tool {
  return { type: 'function', function: { name, parameters: { type: 'object', properties } } }
}

export const tools: readonly Tool[] = [
  tool('get', { key: { type: 'string' } }),
  tool('get_weather', {
    city: { type: 'string' },
    days: { type: 'integer' },
    metric: { type: 'boolean' },
    tags: { type: 'array' },
    range: { anyOf: [{ type: 'number' }, { type: 'string' }] },
  }),
  { type: 'function', function: { name: 'now' } },
]

export type How = Partial<AnswerParserInit>

export function parserFor(how: How) {
  return createAnswerParser({ tools, random: () => 0, ...how })
}

/** Everything that a parser gives for these pieces, joined. */
export function parse(pieces: readonly string[], how: How): Outcome {
  const parser = parserFor(how)
  const deltas = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.finish()]
  return {
    text: deltas.map(({ text }) => text ?? '').join(''),
    thinking: deltas.map(({ thinking }) => thinking ?? '').join(''),
    calls: deltas
      .flatMap(({ toolCalls }) => toolCalls ?? [])
      .map(({ name, arguments: args }) => ({ name, arguments: args })),
  }
}

/** Cuts `text` at these places, in any order and however many times. */
export function cut(text: string, places: readonly number[]): string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].sort((one, other) => one - other)
  return [0, ...ends].map((from, index) => text.slice(from, ends[index]))
}
