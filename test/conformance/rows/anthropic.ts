/** Anthropic's messages, as Ollama serves them. */
import { absent, aList, containing, nonEmptyText, oneOf, positive, some, text } from '../match.ts'
import { post, type Row, row, section } from '../row.ts'
import { weather } from '../shapes.ts'
import { call, png, refusedMessage, stream, told, user, wants } from './surfaces.ts'

const message = { model: '$model', messages: [user('Hello')], max_tokens: 6, temperature: 0 }
const sentWeather = { name: 'get_weather', description: 'The weather', input_schema: weather.function.parameters }

export const anthropicRows: readonly Row[] = section('3.6 Anthropic', [
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
      tools: [sentWeather],
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
  ...[
    { metadata: { user_id: 'me' }, service_tier: 'auto', tools: [], tool_choice: { type: 'auto' }, x: [1] },
    { tool_choice: { type: 'any', disable_parallel_tool_use: true }, top_k: 3, top_p: 0.9, temperature: 1 },
    { tool_choice: { type: 'tool', name: 'f' }, thinking: { type: 'disabled' } },
    { output_config: { effort: 'high' }, stop_sequences: null, system: null },
    { system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral' } }] },
  ].map((more) =>
    row(
      `a message takes ${JSON.stringify(more)}`,
      post('/v1/messages', { ...message, ...more }),
      { status: 200, type: 'application/json', json: { type: 'message' } },
      'plain',
    ),
  ),
  row(
    'a message takes what clients of Anthropic send beside it',
    post('/v1/messages?beta=true', message, {
      'x-api-key': 'sk-ant-nobody',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14',
    }),
    { status: 200 },
    'completion',
  ),
  row(
    "a message without a body is refused in Anthropic's envelope",
    post('/v1/messages', ''),
    refusedMessage(400, 'invalid_request_error', text),
  ),
  row(
    'half an object is no message',
    post('/v1/messages', '{"model":'),
    refusedMessage(400, 'invalid_request_error', text),
  ),
  row(
    'a stream of a message that fails before it begins has a status',
    post('/v1/messages', { ...message, model: 'omx-nobody', stream: true }),
    refusedMessage(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
  row(
    'the texts of a message are one',
    post('/v1/messages', {
      ...message,
      max_tokens: 100,
      messages: [
        user([
          { type: 'text', text: '⟦one ' },
          { type: 'text', text: 'two⟧', cache_control: { type: 'ephemeral' } },
        ]),
      ],
    }),
    { json: { content: [{ type: 'text', text: 'one two' }], stop_reason: 'end_turn' } },
    'told',
  ),
  row(
    'a message ends before a text that stops it',
    post('/v1/messages', { ...message, max_tokens: 100, stop_sequences: ['two'], messages: told('one two three') }),
    { json: { content: [{ type: 'text', text: 'one ' }] } },
    'told',
  ),
  row(
    'a message that uses up its tokens says so',
    post('/v1/messages', { ...message, max_tokens: 2, messages: told('one two three four') }),
    { json: { stop_reason: 'max_tokens', usage: { output_tokens: 2 } } },
    'told',
  ),
  row(
    'calls, their results and thoughts can be given back',
    post('/v1/messages', {
      ...message,
      tools: [sentWeather],
      messages: [
        user('Weather?'),
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'x' },
            { type: 'text', text: 'I look.' },
            { type: 'tool_use', id: 'a', name: 'get_weather', input: { city: 'Oslo' } },
            { type: 'tool_use', id: 'b', name: 'get_weather', input: { city: 'Rome' } },
          ],
        },
        user([
          { type: 'tool_result', tool_use_id: 'a', content: 'no such city', is_error: true },
          { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'sun' }] },
          { type: 'text', text: 'So?', cache_control: { type: 'ephemeral' } },
        ]),
      ],
    }),
    { status: 200 },
    'tools',
  ),
  row(
    'an image of a message is base64',
    post('/v1/messages', {
      ...message,
      messages: [user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }])],
    }),
    { status: 200 },
    'vision',
  ),
  row(
    'an image of a message is no URL',
    post('/v1/messages', {
      ...message,
      messages: [user([{ type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } }])],
    }),
    refusedMessage(400, 'invalid_request_error', text),
    'completion',
  ),
  row(
    'tools for a message to a model that knows none are refused',
    post('/v1/messages', { ...message, tools: [sentWeather] }),
    refusedMessage(400, 'invalid_request_error', containing('does not support tools')),
    'plain',
  ),
  row(
    'a call streams as a block with its whole input',
    post('/v1/messages', {
      model: '$model',
      max_tokens: 200,
      messages: told(call),
      tools: [sentWeather],
      stream: true,
    }),
    stream((events) => {
      const block = events.find(({ type }) => type === 'content_block_start')?.content_block as {
        type: string
        name: string
      }
      const delta = events.find(({ type }) => type === 'content_block_delta')?.delta as {
        type: string
        partial_json: string
      }
      const last = events.at(-2) as { delta: { stop_reason: string } }
      return (
        wants(block.type === 'tool_use' && block.name === 'get_weather', 'wants a block of the call') ??
        wants(
          delta.type === 'input_json_delta' && delta.partial_json === '{"city":"Paris"}',
          'wants its whole input',
        ) ??
        wants(last.delta.stop_reason === 'tool_use', 'wants tool_use as the reason')
      )
    }),
    'told-tools',
  ),
  row(
    'thoughts and text stream as blocks, one after the other',
    post('/v1/messages', { model: '$model', max_tokens: 200, messages: told('<think>hm</think>Yes.'), stream: true }),
    stream((events) => {
      const blocks = events.flatMap(({ type, index, content_block: block }) =>
        type === 'content_block_start' ? [`${index} ${(block as { type: string }).type}`] : [],
      )
      const stops = events.filter(({ type }) => type === 'content_block_stop').map(({ index }) => index)
      const deltas = events.flatMap(({ delta }) => (delta as { thinking?: string; text?: string } | undefined) ?? [])
      return (
        wants(blocks.join() === '0 thinking,1 text', `wants a block of each, got ${blocks.join()}`) ??
        wants(stops.join() === '0,1', 'wants both ended') ??
        wants(deltas.map(({ thinking = '' }) => thinking).join('') === 'hm', 'wants the thoughts') ??
        wants(deltas.map((delta) => delta.text ?? '').join('') === 'Yes.', 'wants the text')
      )
    }),
    'told-thinking',
  ),
  row(
    'a message that streams begins with an empty one and an estimate of its prompt',
    post('/v1/messages', { ...message, stream: true }),
    stream(([first]) => {
      const begun = (
        first as { message: { content: unknown[]; usage: { input_tokens: number }; stop_reason: unknown } }
      ).message
      return (
        wants(begun.content.length === 0 && (begun.stop_reason ?? null) === null, 'wants nothing said yet') ??
        wants(begun.usage.input_tokens > 0, 'wants an estimate')
      )
    }),
    'completion',
  ),
])
