/** OpenAI's and Anthropic's APIs, as Ollama serves them. */
import {
  absent,
  aList,
  containing,
  every,
  type Matcher,
  nonEmptyList,
  nonEmptyText,
  oneOf,
  positive,
  some,
  text,
  wholeNumber,
} from '../match.ts'
import { type Expectation, get, post, type Row, row, section } from '../row.ts'
import type { Answer } from '../server.ts'
import { weather } from '../shapes.ts'

const user = (content: unknown) => ({ role: 'user', content })
const chat = { model: '$model', messages: [user('Hello')], max_tokens: 6, temperature: 0 }
const complete = { model: '$model', prompt: 'Say something.', max_tokens: 6, temperature: 0 }
const message = { model: '$model', messages: [user('Hello')], max_tokens: 6, temperature: 0 }
const respond = { model: '$model', input: 'Hello', max_output_tokens: 6, temperature: 0 }
const told = (content: string) => [user(`⟦${content}⟧`)]
const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'

function refused(status: number, type: string, words: Matcher): Expectation {
  return { status, type: /^application\/json/, json: { error: { message: words, type, param: null, code: null } } }
}

function refusedMessage(status: number, type: string, words: Matcher): Expectation {
  return { status, json: { type: 'error', error: { type, message: words }, request_id: /^req_/ } }
}

/** The data of each event, read as JSON where it is. */
function eventsOf({ text: body }: Answer): Record<string, unknown>[] {
  return body
    .split('\n\n')
    .map((event) => event.slice(event.indexOf('data: ') + 'data: '.length))
    .filter((data) => data.startsWith('{'))
    .map((data) => JSON.parse(data) as Record<string, unknown>)
}

const stream = (
  check: (events: readonly Record<string, unknown>[], answer: Answer) => string | undefined,
): Expectation => ({
  status: 200,
  type: /^text\/event-stream/,
  check: (answer) => check(eventsOf(answer), answer),
})

const wants = (condition: boolean, what: string): string | undefined => (condition ? undefined : what)

const openai: readonly Row[] = section('3 OpenAI', [
  row(
    'a chat has choices and the usage',
    post('/v1/chat/completions', chat),
    {
      status: 200,
      json: {
        id: /^chatcmpl-/,
        object: 'chat.completion',
        created: positive,
        model: '$model',
        system_fingerprint: 'fp_ollama',
        choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: oneOf('stop', 'length') }],
        usage: { prompt_tokens: positive, completion_tokens: positive, total_tokens: positive },
      },
    },
    'completion',
  ),
  row(
    'a chat streams chunks of one id, the role in the first, and ends with [DONE]',
    post('/v1/chat/completions', { ...chat, stream: true }),
    stream((events, { text: body }) => {
      const deltas = events.map(({ choices }) => (choices as { delta: { role?: string } }[])[0]?.delta)
      return (
        wants(body.endsWith('data: [DONE]\n\n'), 'wants [DONE] at the end') ??
        wants(new Set(events.map(({ id }) => id)).size === 1, 'wants one id') ??
        wants(
          events.every(({ object }) => object === 'chat.completion.chunk'),
          'wants chunks',
        ) ??
        wants(deltas[0]?.role === 'assistant', 'wants the role in the first chunk') ??
        wants(
          deltas.slice(1).every((delta) => delta?.role === undefined),
          'wants the role in no other chunk',
        ) ??
        wants(Object.keys(deltas.at(-1) ?? { x: 1 }).length === 0, 'wants an empty delta at the end')
      )
    }),
    'completion',
  ),
  row(
    'a chat streams its usage in a last chunk where that is asked for',
    post('/v1/chat/completions', { ...chat, stream: true, stream_options: { include_usage: true } }),
    stream((events) => {
      const last = events.at(-1) as { choices: unknown[]; usage?: { total_tokens: number } }
      return wants(last.choices.length === 0 && (last.usage?.total_tokens ?? 0) > 0, 'wants the usage without choices')
    }),
    'completion',
  ),
  row(
    'a chat without messages is refused',
    post('/v1/chat/completions', { ...chat, messages: [] }),
    refused(400, 'invalid_request_error', "[] is too short - 'messages'"),
    'completion',
  ),
  row(
    'a chat with a model that is not here is 404',
    post('/v1/chat/completions', { ...chat, model: 'omx-nobody' }),
    refused(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
  row(
    'a message without a content and without calls is refused',
    post('/v1/chat/completions', { ...chat, messages: [user(null)] }),
    refused(400, 'invalid_request_error', 'invalid message content type: <nil>'),
    'completion',
  ),
  row(
    'the parts of a content are messages',
    post('/v1/chat/completions', { ...chat, messages: [user([{ type: 'text', text: 'Hello' }])] }),
    { status: 200, json: { choices: nonEmptyList } },
    'completion',
  ),
  row(
    'a part that nobody knows is refused',
    post('/v1/chat/completions', { ...chat, messages: [user([{ type: 'smell' }])] }),
    refused(400, 'invalid_request_error', 'invalid message format'),
    'completion',
  ),
  row(
    'an image must not be a URL',
    post('/v1/chat/completions', {
      ...chat,
      messages: [user([{ type: 'image_url', image_url: { url: 'https://a.example/b.png' } }])],
    }),
    refused(
      400,
      'invalid_request_error',
      'image URLs are not currently supported, please use base64 encoded data instead',
    ),
    'completion',
  ),
  row(
    'a call has its arguments as text, and the chat ends with tool_calls',
    post('/v1/chat/completions', { model: '$model', messages: told(call), tools: [weather] }),
    {
      json: {
        choices: [
          {
            message: {
              tool_calls: [{ type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } }],
            },
            finish_reason: 'tool_calls',
          },
        ],
      },
    },
    'told-tools',
  ),
  row(
    'tools for a model that knows none are refused',
    post('/v1/chat/completions', { ...chat, tools: [weather] }),
    refused(400, 'invalid_request_error', containing('does not support tools')),
    'plain',
  ),
  row(
    'thoughts are apart, as reasoning',
    post('/v1/chat/completions', { model: '$model', messages: told('<think>hm</think>Yes.'), reasoning_effort: 'low' }),
    { json: { choices: [{ message: { reasoning: 'hm', content: 'Yes.' } }] } },
    'told-thinking',
  ),
  row(
    'an effort that nobody knows is refused',
    post('/v1/chat/completions', { ...chat, reasoning_effort: 'much' }),
    refused(400, 'invalid_request_error', containing("invalid reasoning value: 'much'")),
    'completion',
  ),
  row(
    'an answer may have to be JSON',
    post('/v1/chat/completions', { ...chat, max_tokens: 100, response_format: { type: 'json_object' } }),
    { status: 200, json: { choices: [{ message: { content: /^\s*\{/ } }] } },
    'completion',
  ),
  row(
    'a completion has a text and the usage',
    post('/v1/completions', complete),
    {
      status: 200,
      json: {
        id: /^cmpl-/,
        object: 'text_completion',
        model: '$model',
        choices: [{ text, index: 0, finish_reason: oneOf('stop', 'length') }],
        usage: { prompt_tokens: positive, total_tokens: positive },
      },
    },
    'completion',
  ),
  row(
    'a completion streams to [DONE]',
    post('/v1/completions', { ...complete, stream: true }),
    stream((events, { text: body }) => {
      const last = events.at(-1) as { choices: { finish_reason: string | null }[] }
      return (
        wants(body.endsWith('data: [DONE]\n\n'), 'wants [DONE] at the end') ??
        wants(typeof last.choices[0]?.finish_reason === 'string', 'wants a reason in the last chunk')
      )
    }),
    'completion',
  ),
  row(
    'an embedding is a list of numbers',
    post('/v1/embeddings', { model: '$model', input: ['a', 'b'] }),
    {
      status: 200,
      json: {
        object: 'list',
        data: [
          { object: 'embedding', embedding: nonEmptyList, index: 0 },
          { object: 'embedding', embedding: nonEmptyList, index: 1 },
        ],
        model: '$model',
        usage: { prompt_tokens: positive, total_tokens: positive },
      },
    },
    'vectors',
  ),
  row(
    'an embedding may be base64',
    post('/v1/embeddings', { model: '$model', input: 'a', encoding_format: 'base64' }),
    { json: { data: [{ embedding: /^[A-Za-z0-9+/]+=*$/ }] } },
    'vectors',
  ),
  row(
    'tokens are no input of an embedding',
    post('/v1/embeddings', { model: '$model', input: [1, 2] }),
    refused(400, 'invalid_request_error', 'invalid input type'),
    'vectors',
  ),
  row(
    'another encoding is refused',
    post('/v1/embeddings', { model: '$model', input: 'a', encoding_format: 'hex' }),
    refused(400, 'invalid_request_error', containing("Invalid value for 'encoding_format' = hex")),
    'vectors',
  ),
  row(
    'models are listed with their owners',
    get('/v1/models'),
    {
      status: 200,
      json: {
        object: 'list',
        data: some({ id: /^.+:.+$/, object: 'model', created: wholeNumber, owned_by: nonEmptyText }),
      },
    },
    'completion',
  ),
  row(
    'a model is retrieved by the name that was asked',
    get('/v1/models/$model'),
    { status: 200, json: { id: '$model', object: 'model', owned_by: nonEmptyText } },
    'completion',
  ),
  row('a model that is not here is not retrieved', get('/v1/models/omx-nobody'), refused(404, 'not_found_error', text)),
  row(
    'a response has its output as items',
    post('/v1/responses', respond),
    {
      status: 200,
      json: {
        id: /^resp_/,
        object: 'response',
        status: 'completed',
        model: '$model',
        output: every({ type: oneOf('message', 'reasoning') }),
        store: false,
        usage: { input_tokens: positive, output_tokens: positive, total_tokens: positive },
      },
    },
    'completion',
  ),
  row(
    'a response streams numbered events from created to completed',
    post('/v1/responses', { ...respond, stream: true }),
    stream((events, { text: body }) => {
      const types = events.map(({ type }) => type)
      return (
        wants(types[0] === 'response.created' && types[1] === 'response.in_progress', 'wants created, in_progress') ??
        wants(types.at(-1) === 'response.completed', 'wants completed at the end') ??
        wants(
          events.every(({ sequence_number }, at) => sequence_number === at),
          'wants numbers from 0',
        ) ??
        wants(!body.includes('[DONE]'), 'wants no [DONE]')
      )
    }),
    'completion',
  ),
])

const anthropic: readonly Row[] = section('3 Anthropic', [
  row(
    'a message has blocks and the usage',
    post('/v1/messages', message),
    {
      status: 200,
      json: {
        id: /^msg_/,
        type: 'message',
        role: 'assistant',
        model: '$model',
        content: aList,
        stop_reason: oneOf('end_turn', 'max_tokens'),
        usage: { input_tokens: positive, output_tokens: positive },
      },
    },
    'completion',
  ),
  row(
    'a message streams from message_start to message_stop, without [DONE]',
    post('/v1/messages', { ...message, stream: true }),
    stream((events, { text: body }) => {
      const types = events.map(({ type }) => type)
      return (
        wants(types[0] === 'message_start', 'wants message_start') ??
        wants(types.at(-2) === 'message_delta' && types.at(-1) === 'message_stop', 'wants delta and stop at the end') ??
        wants(!body.includes('[DONE]'), 'wants no [DONE]')
      )
    }),
    'completion',
  ),
  row(
    'a call is a block with its input',
    post('/v1/messages', {
      model: '$model',
      max_tokens: 200,
      messages: told(call),
      tools: [{ name: 'get_weather', input_schema: weather.function.parameters }],
    }),
    {
      json: {
        content: some({ type: 'tool_use', id: nonEmptyText, name: 'get_weather', input: { city: 'Paris' } }),
        stop_reason: 'tool_use',
      },
    },
    'told-tools',
  ),
  row(
    'thoughts are a block',
    post('/v1/messages', {
      model: '$model',
      max_tokens: 200,
      messages: told('<think>hm</think>Yes.'),
      thinking: { type: 'enabled', budget_tokens: 1024 },
    }),
    {
      json: {
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'Yes.' },
        ],
      },
    },
    'told-thinking',
  ),
  row(
    'thoughts of a model that has none are not missed',
    post('/v1/messages', { ...message, thinking: { type: 'enabled', budget_tokens: 1024 } }),
    { status: 200, json: { error: absent } },
    'plain',
  ),
  row(
    'a system may stand among the messages',
    post('/v1/messages', { ...message, messages: [{ role: 'system', content: 'Be short.' }, user('Hello')] }),
    { status: 200 },
    'completion',
  ),
  row(
    'max_tokens must be given',
    post('/v1/messages', { ...message, max_tokens: 0 }),
    refusedMessage(400, 'invalid_request_error', 'max_tokens is required and must be positive'),
    'completion',
  ),
  row(
    'messages must be given',
    post('/v1/messages', { ...message, messages: [] }),
    refusedMessage(400, 'invalid_request_error', 'messages is required'),
    'completion',
  ),
  row(
    'a message to a model that is not here is 404',
    post('/v1/messages', { ...message, model: 'omx-nobody' }),
    refusedMessage(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
])

export const surfaceRows: readonly Row[] = [...openai, ...anthropic]
