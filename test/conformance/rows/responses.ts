/** OpenAI's Responses, as Ollama serves them: without a memory. */
import { zstdCompressSync } from 'node:zlib'
import { containing, every, length, nonEmptyText, oneOf, positive, text, wholeNumber } from '../match.ts'
import { type Expectation, post, type Row, row, section } from '../row.ts'
import { weather } from '../shapes.ts'
import { call, png, refused, stream, user, wants } from './surfaces.ts'

const respond = { model: '$model', input: 'Hello', max_output_tokens: 6, temperature: 0 }
const flatWeather = { type: 'function', ...weather.function, strict: false }

/** Events of these types in this order, where one type may come several times in a row. */
function streamed(types: readonly string[]): Expectation {
  return stream((events) => {
    const all = events.map(({ type }) => String(type).replace(/^response\./, ''))
    const found = all.filter((type, at) => type !== all[at - 1])
    return wants(found.join() === types.join(), `wants ${types.join()}, got ${found.join()}`)
  })
}

export const responsesRows: readonly Row[] = section('3.4 Responses', [
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
  ...[
    { store: true, include: ['reasoning.encrypted_content'], truncation: 'auto', parallel_tool_calls: false },
    { tools: [], tool_choice: 'auto', service_tier: 'auto', prompt_cache_key: 'x', safety_identifier: 'y' },
    {
      metadata: { a: 'b' },
      top_logprobs: 0,
      max_tool_calls: 3,
      user: 'me',
      stream_options: { include_obfuscation: false },
    },
    { previous_response_id: null, conversation: null, prompt: null, reasoning: null, text: null, instructions: null },
  ].map((more) =>
    row(
      `a response takes ${JSON.stringify(more)}`,
      post('/v1/responses', { ...respond, ...more }),
      { status: 200, json: { status: 'completed', store: false } },
      'completion',
    ),
  ),
  row(
    'a response has every field that its clients know',
    post('/v1/responses', { ...respond, instructions: 'Be short.' }),
    {
      type: 'application/json',
      json: {
        created_at: positive,
        completed_at: positive,
        error: null,
        incomplete_details: null,
        instructions: 'Be short.',
        max_output_tokens: 6,
        parallel_tool_calls: oneOf(true, false),
        temperature: 0,
        text: { format: { type: 'text' } },
        tools: length(0),
        usage: {
          input_tokens_details: { cached_tokens: wholeNumber },
          output_tokens_details: { reasoning_tokens: wholeNumber },
        },
      },
    },
    'completion',
  ),
  row(
    'a response says its text as a part of a message',
    post('/v1/responses', { model: '$model', input: '⟦Ahoy there⟧' }),
    {
      json: {
        output: [
          {
            id: /^msg_/,
            type: 'message',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'Ahoy there', annotations: length(0), logprobs: length(0) }],
          },
        ],
      },
    },
    'told',
  ),
  row(
    'a response is complete also where its tokens are used up',
    post('/v1/responses', { ...respond, input: '⟦one two three four⟧', max_output_tokens: 2 }),
    { json: { status: 'completed', usage: { output_tokens: 2 } } },
    'told',
  ),
  row(
    'a response takes what was said before as items',
    post('/v1/responses', {
      ...respond,
      input: [
        { role: 'system', content: 'Be short.' },
        {
          type: 'message',
          id: 'msg_0',
          status: 'completed',
          role: 'user',
          content: [{ type: 'input_text', text: 'Hello' }],
        },
        {
          id: 'msg_1',
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hi', annotations: [], logprobs: [] }],
        },
        user('And?'),
      ],
    }),
    { status: 200 },
    'completion',
  ),
  row(
    'a response takes calls, their results and thoughts as items',
    post('/v1/responses', {
      ...respond,
      tools: [flatWeather],
      input: [
        user('Weather?'),
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'hm' }], encrypted_content: 'hm' },
        {
          type: 'function_call',
          id: 'fc_1',
          status: 'completed',
          call_id: 'a',
          name: 'get_weather',
          arguments: '{"city":"Oslo"}',
        },
        { type: 'function_call', call_id: 'b', name: 'get_weather', arguments: '{"city":"Rome"}' },
        { type: 'function_call_output', call_id: 'a', output: 'rain' },
        { type: 'function_call_output', id: 'fco_1', call_id: 'b', output: [{ type: 'input_text', text: 'sun' }] },
      ],
    }),
    { status: 200 },
    'tools',
  ),
  row(
    'a response takes an image in an item',
    post('/v1/responses', {
      ...respond,
      input: [
        user([
          { type: 'input_text', text: 'What?' },
          { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${png}` },
        ]),
      ],
    }),
    { status: 200 },
    'vision',
  ),
  row(
    'a file is no part of an item',
    post('/v1/responses', { ...respond, input: [user([{ type: 'input_file', file_id: 'x' }])] }),
    refused(400, 'invalid_request_error', text),
    'completion',
  ),
  row(
    'a response may have to fit a schema',
    post('/v1/responses', {
      ...respond,
      max_output_tokens: 100,
      text: {
        format: {
          type: 'json_schema',
          name: 'x',
          strict: true,
          schema: { type: 'object', properties: { a: { enum: ['b'] } }, required: ['a'] },
        },
      },
    }),
    {
      json: {
        output: [{ content: [{ text: /^\s*\{\s*"a"\s*:\s*"b"\s*\}\s*$/ }] }],
        text: { format: { type: 'json_schema', name: 'x' } },
      },
    },
    'completion',
  ),
  row(
    'a response tells thoughts as a summary, before the text',
    post('/v1/responses', { model: '$model', input: '⟦<think>hm</think>Yes.⟧', reasoning: { effort: 'low' } }),
    {
      json: {
        output: [
          { id: /^rs_/, type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }], encrypted_content: 'hm' },
          { type: 'message', content: [{ text: 'Yes.' }] },
        ],
        reasoning: { effort: 'low' },
      },
    },
    'told-thinking',
  ),
  row(
    'a response tells a call as an item',
    post('/v1/responses', { model: '$model', input: `⟦${call}⟧`, tools: [flatWeather] }),
    {
      json: {
        output: [
          {
            id: /^fc_/,
            type: 'function_call',
            status: 'completed',
            call_id: nonEmptyText,
            name: 'get_weather',
            arguments: '{"city":"Paris"}',
          },
        ],
      },
    },
    'told-tools',
  ),
  row(
    'a response streams a call from its beginning to its end',
    post('/v1/responses', { model: '$model', input: `⟦${call}⟧`, tools: [flatWeather], stream: true }),
    streamed([
      ...[
        'created',
        'in_progress',
        'output_item.added',
        'function_call_arguments.delta',
        'function_call_arguments.done',
      ],
      ...['output_item.done', 'completed'],
    ]),
    'told-tools',
  ),
  row(
    'a response streams thoughts and text from their beginnings to their ends',
    post('/v1/responses', { model: '$model', input: '⟦<think>hm</think>Yes.⟧', stream: true }),
    streamed([
      ...['created', 'in_progress', 'output_item.added', 'reasoning_summary_text.delta', 'reasoning_summary_text.done'],
      ...['output_item.done', 'output_item.added', 'content_part.added', 'output_text.delta', 'output_text.done'],
      ...['content_part.done', 'output_item.done', 'completed'],
    ]),
    'told-thinking',
  ),
  row(
    'a body may be compressed with zstd',
    post('/v1/responses', zstdCompressSync('{"model":"omx-nobody","input":"x"}'), { 'content-encoding': 'zstd' }),
    refused(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
])
