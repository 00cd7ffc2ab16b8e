/** What a real node answers is what its own document says that it answers: all of it, and nothing else. */
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import { Check, Errors } from 'typebox/value'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeOwnModels } from '../conformance/own-models.ts'
import { weather } from '../conformance/shapes.ts'
import { useCluster } from './support/cluster.ts'

interface Operation {
  readonly tags: readonly string[]
  readonly responses: {
    readonly 200: { readonly content?: { readonly 'application/json'?: { readonly schema: TSchema } } }
  }
}

const cluster = useCluster()
let url: string
let operations: Readonly<Record<string, Operation>>

beforeAll(async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  url = (await cluster.start('node', { engine: 'sim', data, holds: true, words: ['--sim-tokens-per-second', '0'] })).url
  const { paths } = (await (await fetch(`${url}/omx/v1/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  }
  operations = Object.fromEntries(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation] as const),
    ),
  )
})

const told = (content: string) => [{ role: 'user', content: `⟦${content}⟧` }]
const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'
const thought = '<think>hm</think>Yes.'
const flat = { type: 'function', ...weather.function }
const input = ['a', 'b']
const whole = { stream: false }
const max_tokens = 100

/** Each route with all that it may answer. */
const asked: Readonly<Record<string, readonly object[]>> = {
  'get /api/version': [{}],
  'get /api/tags': [{}],
  'post /api/generate': [
    { model: 'tiny', ...whole, prompt: '⟦ok⟧', logprobs: true, top_logprobs: 2 },
    { model: 'thinker', ...whole, prompt: `⟦${thought}⟧` },
    { model: 'tiny' },
    { model: 'tiny', prompt: 'x', _debug_render_only: true },
    { model: 'tiny', keep_alive: 0 },
  ],
  'post /api/chat': [
    { model: 'tiny', ...whole, messages: told('ok'), logprobs: true },
    { model: 'thinker', ...whole, messages: told(thought) },
    { model: 'callers', ...whole, messages: told(call), tools: [weather] },
    { model: 'tiny', messages: [] },
    { model: 'tiny', messages: told('ok'), _debug_render_only: true },
  ],
  'post /api/embed': [{ model: 'embedder', input }, { model: 'embedder' }],
  'post /api/embeddings': [{ model: 'embedder', prompt: 'a' }, { model: 'embedder' }],
  'get /v1/models': [{}],
  'get /v1/models/{model}': [{ model: 'tiny' }],
  'post /v1/chat/completions': [
    { model: 'tiny', messages: told('ok'), logprobs: true, top_logprobs: 2 },
    { model: 'tiny', messages: told('one two three'), max_tokens: 2 },
    { model: 'thinker', messages: told(thought) },
    { model: 'callers', messages: told(call), tools: [weather] },
  ],
  'post /v1/completions': [
    { model: 'tiny', prompt: '⟦ok⟧', logprobs: 2 },
    { model: 'tiny', prompt: '⟦one two three⟧', max_tokens: 2 },
  ],
  'post /v1/embeddings': [
    { model: 'embedder', input },
    { model: 'embedder', input, encoding_format: 'base64' },
  ],
  'post /v1/responses': [
    { model: 'tiny', input: '⟦ok⟧', instructions: 'Be short.', metadata: { a: 'b' }, max_output_tokens: 9 },
    { model: 'thinker', input: `⟦${thought}⟧`, reasoning: { effort: 'low', summary: 'auto' } },
    { model: 'callers', input: `⟦${call}⟧`, tools: [flat], tool_choice: 'auto', text: { format: { type: 'text' } } },
  ],
  'post /v1/messages': [
    { model: 'tiny', max_tokens, messages: told('ok') },
    { model: 'tiny', max_tokens: 2, messages: told('one two three') },
    { model: 'thinker', max_tokens, messages: told(thought) },
    { model: 'callers', max_tokens, messages: told(call), tools: [{ name: 'get_weather', input_schema: {} }] },
  ],
  'post /v1/messages/count_tokens': [{ model: 'tiny', messages: told('ok') }],
  // Last: by now there is something in memory.
  'get /api/ps': [{}],
}

/** A schema that refuses what it does not name. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return 'properties' in schema ? { ...inner, additionalProperties: false } : inner
}

function schemaOf(route: string): TSchema {
  const schema = operations[route]?.responses[200].content?.['application/json']?.schema
  if (schema === undefined) throw new Error(`the document does not say what ${route} answers`)
  return closed(schema) as TSchema
}

async function answerOf(route: string, body: object): Promise<Record<string, unknown>> {
  const [method = '', path = ''] = route.split(' ')
  const isGet = method === 'get'
  const response = await fetch(url + path.replace('{model}', (body as { model?: string }).model ?? ''), {
    method,
    ...(isGet ? {} : { body: JSON.stringify(body) }),
  })
  expect([route, body, response.status]).toEqual([route, body, 200])
  return (await response.json()) as Record<string, unknown>
}

describe.each(Object.keys(asked))('%s', (route) => {
  it('answers what the document says', async () => {
    const schema = schemaOf(route)
    for (const body of asked[route] ?? []) {
      const answer = await answerOf(route, body)
      expect([body, answer, [...Errors(schema, answer)]]).toEqual([body, answer, []])
      // Whatever is missing or new is seen: the document says enough to be wrong.
      expect(Check(schema, { ...answer, news: 1 })).toBe(false)
      const { [Object.keys(answer)[0] as string]: _first, ...rest } = answer
      expect(Check(schema, rest)).toBe(false)
    }
  })
})

it('every route of /v1 that answers JSON says what, but for the one that always refuses', () => {
  const silent = Object.keys(operations).filter(
    (route) => route.includes(' /v1/') && operations[route]?.responses[200].content?.['application/json'] === undefined,
  )
  expect(silent).toEqual(['post /v1/audio/transcriptions'])
  const asking = Object.keys(operations).filter((route) => route.includes(' /v1/') && !silent.includes(route))
  expect(asking.filter((route) => asked[route] === undefined)).toEqual([])
})
