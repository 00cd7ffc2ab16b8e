/** `POST /api/chat`. */
import {
  absent,
  both,
  containing,
  every,
  exactly,
  keysInOrder,
  nonEmptyText,
  oneOf,
  text,
  utcTime,
  within,
  without,
} from '../match.ts'
import { error, post, type Row, row, rowOf, section, step } from '../row.ts'
import { chatKeys, metrics, weather } from '../shapes.ts'

const options = { num_predict: 6, temperature: 0 }
const user = (content: string) => ({ role: 'user', content })
const chat = { model: '$model', messages: [user('Hello')], stream: false, options }
const told = (content: string) => ({ ...chat, messages: [user(`⟦${content}⟧`)], options: { num_predict: 200 } })
/** The prompt of a chat with one tool. */
const promptWith = (parameters: object) =>
  post('/api/chat', {
    ...chat,
    tools: [{ type: 'function', function: { name: 'f', parameters } }],
    _debug_render_only: true,
  })
const empty = exactly({ role: 'assistant', content: '' })
const bare = { total_duration: absent, load_duration: absent, eval_count: absent, context: absent }

const call = '{"name": "get_weather", "arguments": {"city": "Paris", "days": [1, 2]}}'
const calls = [
  { id: /^call_[a-z0-9]{8}$/, function: { index: 0, name: 'get_weather', arguments: { city: 'Paris', days: [1, 2] } } },
]

export const chatRows: readonly Row[] = section('2.4 chat', [
  rowOf(
    'no messages load the model and do not stream',
    'completion',
    ...[{}, { messages: [] }, { messages: [], stream: true }].map((fields) =>
      step(post('/api/chat', { model: '$model', ...fields }), {
        status: 200,
        type: 'application/json; charset=utf-8',
        json: { model: '$model', created_at: utcTime, message: empty, done: true, done_reason: 'load', ...bare },
      }),
    ),
  ),
  row(
    'no messages with keep_alive 0 unload the model',
    post('/api/chat', { model: '$model', messages: [], keep_alive: 0 }),
    { status: 200, json: { message: empty, done: true, done_reason: 'unload', ...bare } },
    'completion',
  ),
  row(
    'a whole answer has everything in the order of Ollama',
    post('/api/chat', chat),
    { status: 200, type: 'application/json; charset=utf-8', json: keysInOrder(...chatKeys) },
    'completion',
  ),
  row(
    'a whole answer is a message of the assistant with metrics and no context',
    post('/api/chat', chat),
    {
      json: {
        message: { role: 'assistant', content: nonEmptyText },
        done: true,
        done_reason: oneOf('stop', 'length'),
        context: absent,
        ...metrics,
      },
    },
    'completion',
  ),
  row(
    'a stream has a message in every line, and metrics in the last',
    post('/api/chat', { ...chat, stream: true }),
    {
      type: 'application/x-ndjson',
      lines: every({ message: { role: 'assistant', content: text } }),
      last: { message: empty, done: true, done_reason: oneOf('stop', 'length'), ...metrics },
      check: ({ lines }) => {
        const odd = (lines.slice(0, -1) as Record<string, unknown>[]).find(
          (piece) => piece.done !== false || 'done_reason' in piece || 'eval_count' in piece,
        )
        return odd === undefined ? undefined : `a piece is ${JSON.stringify(odd)}`
      },
    },
    'completion',
  ),
  row(
    'a message may have no content, or be null',
    post('/api/chat', { ...chat, messages: [null, { role: 'user' }, { role: 'assistant', content: '' }, user('Hi')] }),
    { status: 200 },
    'completion',
  ),
  row(
    'roles are read in any case',
    post('/api/chat', { ...chat, messages: [{ role: 'USER', content: 'Shout' }], _debug_render_only: true }),
    {
      json: {
        message: { role: '', content: '' },
        done: false,
        _debug_info: { rendered_template: containing('Shout') },
      },
    },
    'completion',
  ),
  row(
    'a role that nobody knows is passed through',
    post('/api/chat', { ...chat, messages: [{ role: 'Critic', content: 'Hm' }], _debug_render_only: true }),
    { status: 200, json: { _debug_info: { rendered_template: containing('critic: Hm') } } },
    'tools',
  ),
  row(
    'the properties of a tool are sorted in the prompt, those inside of one are as they came',
    promptWith({
      type: 'object',
      properties: {
        z: { type: 'string' },
        a: { type: 'object', properties: { y: { type: 'string' }, b: { type: 'number' } } },
      },
    }),
    {
      json: {
        _debug_info: {
          rendered_template: containing(
            '{"a":{"type":"object","properties":{"y":{"type":"string"},"b":{"type":"number"}}},"z":{"type":"string"}}',
          ),
        },
      },
    },
    'tools',
  ),
  row(
    'words of a tool’s schema that Ollama does not know are dropped, and types may be several',
    promptWith({
      type: 'object',
      additionalProperties: false,
      properties: { b: { type: ['string', 'null'], pattern: '^x' }, a: { anyOf: [{ type: 'integer' }] } },
    }),
    {
      status: 200,
      json: {
        _debug_info: {
          rendered_template: both(
            containing('"properties":{"a":{"anyOf":[{"type":"integer"}]},"b":{"type":["string","null"]}}'),
            both(without('additionalProperties'), without('pattern')),
          ),
        },
      },
    },
    'tools',
  ),
  row(
    'an answer is said word for word',
    post('/api/chat', told('Ahoy <there> & "you"')),
    { json: { message: { role: 'assistant', content: 'Ahoy <there> & "you"' }, done_reason: 'stop' } },
    'told',
  ),
  row(
    'the arguments of a call in the history are an object',
    post('/api/chat', {
      ...chat,
      messages: [
        user('Weather?'),
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'get_weather', arguments: { city: 'Rome' } } }],
        },
        { role: 'tool', content: '21 degrees', tool_name: 'get_weather' },
      ],
      tools: [weather],
      _debug_render_only: true,
    }),
    { status: 200, json: { _debug_info: { rendered_template: containing('Rome', '21 degrees', 'get_weather') } } },
    'tools',
  ),
  row(
    'a result names its call by id as well',
    post('/api/chat', {
      ...chat,
      messages: [
        user('Weather?'),
        {
          role: 'assistant',
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: { city: 'Rome' } } },
          ],
        },
        { role: 'tool', content: '21 degrees', tool_call_id: 'call_1' },
      ],
    }),
    { status: 200 },
    'tools',
  ),
  row(
    'arguments that are a list are 400',
    post('/api/chat', {
      ...chat,
      messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: [] } }] }],
    }),
    error(400, text),
    'tools',
  ),
  row(
    'tools that are no list are 400',
    post('/api/chat', { ...chat, tools: { type: 'function' } }),
    error(400, text),
    'tools',
  ),
  row(
    'the tools of a request are in the prompt, their properties in the order they came',
    post('/api/chat', { ...chat, tools: [weather], _debug_render_only: true }),
    { json: { _debug_info: { rendered_template: containing('get_weather', 'The weather of a city', '"city"') } } },
    'tools',
  ),
  row(
    'a call comes whole, with an id, an index and arguments that are an object',
    post('/api/chat', { ...told(`<call>${call}</call>`), tools: [weather] }),
    { status: 200, json: { message: { content: '', tool_calls: calls }, done: true, done_reason: 'stop' } },
    'told-tools',
  ),
  row(
    'a call is streamed in one piece without text',
    post('/api/chat', { ...told(`<call>${call}</call>`), tools: [weather], stream: true }),
    {
      status: 200,
      last: { done: true, done_reason: 'stop', message: { content: '' } },
      check: ({ lines }) => {
        const messages = lines.map((line) => (line as { message: { content: string; tool_calls?: unknown[] } }).message)
        const withCalls = messages.filter(({ tool_calls }) => tool_calls !== undefined)
        const said = messages.map(({ content }) => content).join('')
        return withCalls.length === 1 && said === '' ? undefined : `${withCalls.length} lines have calls; text: ${said}`
      },
    },
    'told-tools',
  ),
  row(
    'two calls have two ids and rising indices',
    post('/api/chat', { ...told(`<call>${call}</call><call>${call}</call>`), tools: [weather] }),
    {
      status: 200,
      check: ({ json }) => {
        const { tool_calls = [] } = (
          json as { message: { tool_calls?: { id: string; function: { index: number } }[] } }
        ).message
        const ids = new Set(tool_calls.map(({ id }) => id))
        const indices = tool_calls.map((one) => one.function.index).join()
        return ids.size === 2 && indices === '0,1' ? undefined : `ids ${[...ids].join()}, indices ${indices}`
      },
    },
    'told-tools',
  ),
  row(
    'an answer to a request with tools may be text',
    post('/api/chat', { ...told('No call needed.'), tools: [weather] }),
    { status: 200, json: { message: { content: 'No call needed.', tool_calls: absent } } },
    'told-tools',
  ),
  row(
    'what looks like a call is text where no tools were given',
    post('/api/chat', told(call)),
    { status: 200, json: { message: { content: call, tool_calls: absent } } },
    'told-tools',
  ),
  row(
    'thoughts come apart from what is said',
    post('/api/chat', { ...told('<think>let me see</think>Well.'), think: true }),
    { status: 200, json: { message: { content: 'Well.', thinking: 'let me see' } } },
    'told-thinking',
  ),
  row(
    'thoughts are streamed without text, and no tag is seen',
    post('/api/chat', { ...told('<think>let me see</think>Well.'), stream: true }),
    {
      status: 200,
      check: ({ lines, text }) => {
        if (text.includes('think>')) return 'a tag is seen'
        const messages = lines.map((line) => (line as { message: { content: string; thinking?: string } }).message)
        const thoughts = messages.map(({ thinking = '' }) => thinking).join('')
        const mixed = messages.find(({ content, thinking }) => content !== '' && thinking !== undefined)
        return thoughts === 'let me see' && mixed === undefined ? undefined : `${thoughts}, ${JSON.stringify(mixed)}`
      },
    },
    'told-thinking',
  ),
  row(
    'old thoughts are handed to the template',
    post('/api/chat', {
      ...chat,
      messages: [user('One'), { role: 'assistant', content: 'Two', thinking: 'counting' }, user('Three')],
      _debug_render_only: true,
    }),
    { json: { _debug_info: { rendered_template: containing('One', 'Two', 'Three') } } },
    'thinking',
  ),
  row(
    'images of messages count in what is rendered',
    post('/api/chat', { ...chat, messages: [{ ...user('See'), images: ['aGk='] }], _debug_render_only: true }),
    { json: { _debug_info: { image_count: 1 } } },
    'vision',
  ),
  row(
    'the oldest messages give way where all are longer than the context',
    post('/api/chat', {
      ...chat,
      messages: [
        { role: 'system', content: 'Rule' },
        ...Array.from({ length: 300 }, (_, at) => user(`Message number ${at} of many that there are`)),
        user('Last'),
      ],
      options: { ...options, num_ctx: 128 },
      _debug_render_only: true,
    }),
    {
      status: 200,
      json: { _debug_info: { rendered_template: containing('Rule', 'Last') } },
      check: ({ json }) =>
        JSON.stringify(json).includes('Message number 0 ') ? 'the oldest message is still there' : undefined,
    },
    'completion',
  ),
  row(
    'a prompt that is longer than the context is 400 where nothing may be cut or shifted',
    post('/api/chat', {
      ...chat,
      messages: [user('word '.repeat(6_000))],
      truncate: false,
      shift: false,
      options: { ...options, num_ctx: 128 },
    }),
    { status: 400, json: { error: /context/ } },
    'completion',
  ),
  row(
    'the answer counts its tokens as they were limited',
    post('/api/chat', { ...chat, options: { num_predict: 3, temperature: 0 } }),
    { json: { eval_count: within(1, 3) } },
    'completion',
  ),
])
