/** OpenAI's chats, as Ollama serves them. */
import { aList, containing, every, length, nonEmptyList, oneOf, positive, text, within } from '../match.ts'
import { post, type Row, row, section } from '../row.ts'
import { weather } from '../shapes.ts'
import { call, png, refused, stream, told, user, wants } from './surfaces.ts'

const chat = { model: '$model', messages: [user('Hello')], max_tokens: 6, temperature: 0 }

interface Choice {
  readonly delta: {
    readonly content?: string
    readonly reasoning?: string
    readonly tool_calls?: readonly {
      readonly index: number
      readonly type: string
      readonly function: { readonly name: string; readonly arguments: string }
    }[]
  }
  readonly finish_reason: string | null
}

export const chatCompletionRows: readonly Row[] = section('3.1 OpenAI chats', [
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
  ...[
    { n: 1, user: 'me', logit_bias: { 1: 2 }, store: true, metadata: { a: 'b' }, service_tier: 'auto' },
    { parallel_tool_calls: false, prediction: null, modalities: ['text'], verbosity: 'low', x: { y: [1] } },
    { stream_options: null, stop: null, tools: null, seed: 7, frequency_penalty: 0.1, presence_penalty: 0.1 },
    { tools: [], tool_choice: 'auto' },
    { tool_choice: 'required' },
    { tool_choice: { type: 'function', function: { name: 'f' } } },
    { response_format: { type: 'text' } },
  ].map((more) =>
    row(
      `a chat takes ${JSON.stringify(more)}`,
      post('/v1/chat/completions', { ...chat, ...more }),
      { status: 200, json: { choices: length(1) } },
      'completion',
    ),
  ),
  row(
    'a chat needs no key and takes any',
    post('/v1/chat/completions', chat, { authorization: 'Bearer sk-nobody', 'openai-organization': 'x' }),
    { status: 200 },
    'completion',
  ),
  row(
    'an answer that is one object names no charset and ends with a newline',
    post('/v1/chat/completions', chat),
    { status: 200, type: 'application/json', text: /\}\n$/ },
    'completion',
  ),
  ...['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'].flatMap((path) => [
    row(
      `${path} without a body is refused in OpenAI's envelope`,
      post(path, ''),
      refused(400, 'invalid_request_error', text),
    ),
    row(`half an object is refused by ${path}`, post(path, '{"model":'), refused(400, 'invalid_request_error', text)),
    row(
      `a model that is no text is refused by ${path}`,
      post(path, { model: 5 }),
      refused(400, 'invalid_request_error', text),
    ),
  ]),
  row(
    'a stream that fails before it begins has a status',
    post('/v1/chat/completions', { ...chat, model: 'omx-nobody', stream: true }),
    refused(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
  row(
    'a chat ends with length where its tokens are used up, and with stop before',
    post('/v1/chat/completions', { ...chat, max_tokens: 2, messages: told('one two three four five six') }),
    { json: { choices: [{ finish_reason: 'length' }], usage: { completion_tokens: 2 } } },
    'told',
  ),
  ...['two', ['nothing', 'two']].map((stop) =>
    row(
      `a chat ends before ${JSON.stringify(stop)}`,
      post('/v1/chat/completions', { model: '$model', stop, messages: told('one two three') }),
      { json: { choices: [{ message: { content: 'one ' }, finish_reason: 'stop' }] } },
      'told',
    ),
  ),
  ...[[1], 5, {}, [null]].map((stop) =>
    row(
      `what ends a chat says nothing where it is no text: ${JSON.stringify(stop)}`,
      post('/v1/chat/completions', { ...chat, stop }),
      { status: 200 },
      'completion',
    ),
  ),
  row(
    'tokens have probabilities under content',
    post('/v1/chat/completions', { ...chat, logprobs: true, top_logprobs: 2 }),
    {
      json: {
        choices: [
          {
            logprobs: {
              content: every({ token: text, logprob: within(-1e9, 0), bytes: aList, top_logprobs: length(2) }),
            },
          },
        ],
      },
    },
    'completion',
  ),
  row(
    'more than 20 alternatives are refused',
    post('/v1/chat/completions', { ...chat, logprobs: true, top_logprobs: 21 }),
    refused(400, 'invalid_request_error', 'top_logprobs must be between 0 and 20'),
    'completion',
  ),
  row(
    'an answer may have to fit a schema',
    post('/v1/chat/completions', {
      ...chat,
      max_tokens: 100,
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'x',
          strict: true,
          schema: { type: 'object', properties: { a: { enum: ['b'] } }, required: ['a'] },
        },
      },
    }),
    { json: { choices: [{ message: { content: /^\s*\{\s*"a"\s*:\s*"b"\s*\}\s*$/ } }] } },
    'completion',
  ),
  row(
    'a call, its result and what was said before can be given back',
    post('/v1/chat/completions', {
      ...chat,
      tools: [weather],
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be short.' }] },
        user('Weather?'),
        {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [
            {
              id: 'call_1',
              type: 'function',
              index: 0,
              function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
            },
            { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
        { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'sun' }] },
      ],
    }),
    { status: 200, json: { choices: nonEmptyList } },
    'tools',
  ),
  row(
    'the arguments of a call must be the text of an object',
    post('/v1/chat/completions', {
      ...chat,
      tools: [weather],
      messages: [
        user('x'),
        { role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"a' } }] },
      ],
    }),
    refused(400, 'invalid_request_error', 'invalid tool call arguments'),
    'tools',
  ),
  row(
    'thoughts can be given back',
    post('/v1/chat/completions', {
      ...chat,
      messages: [user('x'), { role: 'assistant', reasoning: 'hm', content: 'Yes.' }, user('Sure?')],
    }),
    { status: 200 },
    'thinking',
  ),
  ...[`data:image/png;base64,${png}`, `data:;base64,${png}`].flatMap((url) =>
    [url, { url, detail: 'low' }].map((image_url) =>
      row(
        `an image may be ${JSON.stringify(image_url).slice(0, 40)}…`,
        post('/v1/chat/completions', {
          ...chat,
          messages: [
            user([
              { type: 'text', text: 'What?' },
              { type: 'image_url', image_url },
            ]),
          ],
        }),
        { status: 200 },
        'vision',
      ),
    ),
  ),
  row(
    'an image must be of a kind that is known',
    post('/v1/chat/completions', {
      ...chat,
      messages: [user([{ type: 'image_url', image_url: { url: `data:text/plain;base64,${png}` } }])],
    }),
    refused(400, 'invalid_request_error', 'invalid image input'),
    'completion',
  ),
  row(
    'an image is no question for a model that cannot see',
    post('/v1/chat/completions', {
      ...chat,
      messages: [user([{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }])],
    }),
    refused(400, 'invalid_request_error', containing('does not support vision')),
    'plain',
  ),
  row(
    'thinking is no wish that a model which cannot think grants',
    post('/v1/chat/completions', { ...chat, reasoning_effort: 'high' }),
    refused(400, 'invalid_request_error', containing('does not support thinking')),
    'plain',
  ),
  row(
    'no effort is a wish that every model grants',
    post('/v1/chat/completions', { ...chat, reasoning: { effort: 'none' } }),
    { status: 200 },
    'plain',
  ),
  row(
    'a call streams whole, before a chunk that says tool_calls',
    post('/v1/chat/completions', { model: '$model', messages: told(call), tools: [weather], stream: true }),
    stream((events) => {
      const choices = events.map((event) => (event.choices as Choice[])[0])
      const calls = choices.flatMap((choice) => choice?.delta.tool_calls ?? [])
      const made = calls.map((each) => [each.index, each.type, each.function.name, each.function.arguments])
      return (
        wants(
          JSON.stringify(made) === '[[0,"function","get_weather","{\\"city\\":\\"Paris\\"}"]]',
          'wants one whole call',
        ) ??
        wants(choices.at(-1)?.finish_reason === 'tool_calls', 'wants tool_calls as the reason') ??
        wants(choices.at(-1)?.delta.tool_calls === undefined, 'wants no call in the last chunk')
      )
    }),
    'told-tools',
  ),
  row(
    'thoughts stream before the text, each with an empty content',
    post('/v1/chat/completions', { model: '$model', messages: told('<think>hm</think>Yes.'), stream: true }),
    stream((events) => {
      const deltas = events.flatMap((event) => (event.choices as Choice[])[0]?.delta ?? [])
      const thoughts = deltas.filter(({ reasoning }) => reasoning !== undefined)
      return (
        wants(thoughts.map(({ reasoning }) => reasoning).join('') === 'hm', 'wants the thoughts as reasoning') ??
        wants(
          thoughts.every(({ content }) => content === ''),
          'wants an empty content beside thoughts',
        ) ??
        wants(deltas.map(({ content }) => content ?? '').join('') === 'Yes.', 'wants the text as content')
      )
    }),
    'told-thinking',
  ),
  row(
    'a chat that streams has one time, and no usage where none is asked for',
    post('/v1/chat/completions', { ...chat, stream: true, stream_options: { include_usage: false } }),
    stream((events) => {
      return (
        wants(new Set(events.map(({ created }) => created)).size === 1, 'wants one time') ??
        wants(
          events.every((event) => !('usage' in event)),
          'wants no usage',
        )
      )
    }),
    'completion',
  ),
])
