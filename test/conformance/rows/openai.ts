/** OpenAI's completions, embeddings and models, as Ollama serves them. */
import {
  anObject,
  containing,
  length,
  nonEmptyList,
  nonEmptyText,
  oneOf,
  positive,
  some,
  text,
  wholeNumber,
} from '../match.ts'
import { get, post, type Row, row, section } from '../row.ts'
import { refused, stream, wants } from './surfaces.ts'

const complete = { model: '$model', prompt: 'Say something.', max_tokens: 6, temperature: 0 }

export const openaiRows: readonly Row[] = section('3.2 OpenAI', [
  row(
    'an empty prompt of a completion only loads',
    post('/v1/completions', { ...complete, prompt: '' }),
    { status: 200, json: { choices: [{ text: '', finish_reason: 'load' }], usage: { total_tokens: 0 } } },
    'completion',
  ),
  row('an error of the model names no charset', post('/v1/completions', { ...complete, model: 'omx-nobody' }), {
    status: 404,
    type: 'application/json',
    text: /\}\n$/,
  }),
  row('an error of reading names its charset', post('/v1/completions', { ...complete, prompt: 5 }), {
    status: 400,
    type: 'application/json; charset=utf-8',
    text: /\}$/,
  }),
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
    'what ends a completion must be text',
    post('/v1/completions', { ...complete, model: 'omx-nobody', stop: ['a', 1] }),
    refused(400, 'invalid_request_error', "invalid type for 'stop' field: float64"),
  ),
  row(
    'what ends a completion says nothing where it is neither text nor a list',
    post('/v1/completions', { ...complete, stop: 5 }),
    { status: 200 },
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
    'a completion takes one prompt',
    post('/v1/completions', { ...complete, prompt: ['a', 'b'] }),
    refused(400, 'invalid_request_error', text),
    'completion',
  ),
  row(
    'a completion takes what it does not heed',
    post('/v1/completions', { ...complete, best_of: 1, echo: false, n: 1, user: 'me', top_p: 0, logit_bias: {} }),
    { status: 200, json: { choices: length(1) } },
    'completion',
  ),
  row(
    'a completion has probabilities where a number of alternatives is asked for',
    post('/v1/completions', { ...complete, logprobs: 1 }),
    { status: 200, json: { choices: [{ logprobs: anObject }] } },
    'completion',
  ),
  row(
    'a completion goes around what stands after it',
    post('/v1/completions', { ...complete, suffix: 'and so on' }),
    { status: 200, json: { choices: [{ text }] } },
    'insert',
  ),
  row(
    'a suffix is nothing that a model without a place for it can heed',
    post('/v1/completions', { ...complete, suffix: 'and so on' }),
    refused(400, 'invalid_request_error', containing('does not support insert')),
    'plain',
  ),
  row(
    'a completion leaves thoughts out',
    post('/v1/completions', { model: '$model', prompt: '⟦<think>hm</think>Yes.⟧' }),
    { json: { choices: [{ text: 'Yes.' }] } },
    'told-thinking',
  ),
  row(
    'a completion streams a usage of zeros in every chunk until the last, where one is asked for',
    post('/v1/completions', { ...complete, stream: true, stream_options: { include_usage: true } }),
    stream((events) => {
      const totals = events.map((event) => (event.usage as { total_tokens: number } | undefined)?.total_tokens)
      return (
        wants(
          totals.slice(0, -1).every((total) => total === 0),
          'wants zeros',
        ) ??
        wants((totals.at(-1) ?? 0) > 0, 'wants the usage at the end') ??
        wants(JSON.stringify(events.at(-1)?.choices) === '[]', 'wants no choices at the end')
      )
    }),
    'completion',
  ),
  row(
    'an empty text is one that can be embedded',
    post('/v1/embeddings', { model: '$model', input: '' }),
    { status: 200, json: { data: length(1) } },
    'vectors',
  ),
  ...[{ input: [] }, { input: null }, {}].map((more) =>
    row(
      `nothing is no input of an embedding: ${JSON.stringify(more)}`,
      post('/v1/embeddings', { model: '$model', ...more }),
      refused(400, 'invalid_request_error', 'invalid input'),
      'vectors',
    ),
  ),
  row(
    'an embedding may be short, and its encoding left open',
    post('/v1/embeddings', { model: '$model', input: 'a', dimensions: 3, encoding_format: '', user: 'me' }),
    { json: { data: [{ embedding: length(3) }] } },
    'vectors',
  ),
  row(
    'an embedding by a model that is not here is 404',
    post('/v1/embeddings', { model: 'omx-nobody', input: 'a' }),
    refused(404, 'not_found_error', containing('omx-nobody', 'not found')),
  ),
  row(
    'the list of models takes parameters of a page',
    get('/v1/models?limit=1&after=x&order=asc'),
    { status: 200, type: 'application/json', json: { object: 'list', data: nonEmptyList } },
    'completion',
  ),
  row(
    'a model is retrieved by a name that is encoded',
    get('/v1/models/$model%3Alatest'),
    { status: 200, json: { id: '$display' } },
    'completion',
  ),
])
