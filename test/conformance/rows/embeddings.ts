/** `POST /api/embed` and its predecessor. */
import { absent, every, exactly, keysInOrder, length, nonEmptyList, positive, text } from '../match.ts'
import { error, post, type Row, row, rowOf, section, step } from '../row.ts'
import type { Answer } from '../server.ts'

const vectorsOf = ({ json }: Answer) => (json as { embeddings: number[][] }).embeddings

export const embeddingRows: readonly Row[] = section('2.5 embeddings', [
  row(
    'one text has one vector, and metrics in the order of Ollama',
    post('/api/embed', { model: '$model', input: 'a small boat' }),
    {
      status: 200,
      type: /^application\/json/,
      json: keysInOrder('model', 'embeddings', 'total_duration', 'load_duration', 'prompt_eval_count'),
    },
    'vectors',
  ),
  row(
    'metrics come with the vectors',
    post('/api/embed', { model: '$model', input: 'a small boat' }),
    {
      json: {
        model: '$model',
        embeddings: length(1),
        total_duration: positive,
        load_duration: positive,
        prompt_eval_count: positive,
      },
    },
    'vectors',
  ),
  rowOf(
    'vectors come in the order of the texts, each of length 1',
    'vectors',
    step(post('/api/embed', { model: '$model', input: ['a boat', 'the moon'] }), {
      status: 200,
      json: { embeddings: length(2) },
      check: (answer) => {
        const odd = vectorsOf(answer).find((vector) => Math.abs(Math.hypot(...vector) - 1) > 1e-3)
        return odd === undefined ? undefined : `a vector has the length ${Math.hypot(...odd)}`
      },
    }),
    step(post('/api/embed', { model: '$model', input: ['the moon'] }), {
      status: 200,
      check: (answer, [both]) => {
        const [alone] = vectorsOf(answer)
        const second = both === undefined ? undefined : vectorsOf(both)[1]
        const isSame = alone?.every((value, at) => Math.abs(value - (second?.[at] ?? 2)) < 1e-2)
        return isSame === true ? undefined : 'the second text has another vector when it is alone'
      },
    }),
  ),
  row(
    'vectors are cut to the dimensions that are asked for, and are of length 1 again',
    post('/api/embed', { model: '$model', input: 'a boat', dimensions: 8 }),
    {
      status: 200,
      json: { embeddings: [length(8)] },
      check: (answer) => {
        const size = Math.hypot(...(vectorsOf(answer)[0] ?? []))
        return Math.abs(size - 1) < 1e-3 ? undefined : `the vector has the length ${size}`
      },
    },
    'vectors',
  ),
  row(
    'more dimensions than a vector has are all of them',
    post('/api/embed', { model: '$model', input: 'a boat', dimensions: 100_000 }),
    { status: 200, json: { embeddings: [nonEmptyList] } },
    'vectors',
  ),
  ...(
    [
      ['/api/embed', { input: 'x' }],
      ['/api/embeddings', { prompt: 'x' }],
    ] as const
  ).map(([path, fields]) =>
    row(
      `an option of the wrong type is 500 for ${path}`,
      post(path, { model: '$model', ...fields, options: { num_ctx: 'many' } }),
      error(500, 'option "num_ctx" must be of type integer'),
      'vectors',
    ),
  ),
  row(
    'a model that is missing is said before an input of another type',
    post('/api/embed', { input: 5 }),
    error(404, "model '' not found"),
  ),
  ...[{}, { input: '' }, { input: [] }].map((fields) =>
    row(
      `no input has no vectors: ${JSON.stringify(fields)}`,
      post('/api/embed', { model: '$model', ...fields }),
      { status: 200, json: { model: '$model', embeddings: [], total_duration: absent, prompt_eval_count: absent } },
      'vectors',
    ),
  ),
  ...[5, {}, [1], ['a', null]].map((input) =>
    row(
      `an input of another type is 400: ${JSON.stringify(input)}`,
      post('/api/embed', { model: '$model', input }),
      error(400, 'invalid input type'),
      'vectors',
    ),
  ),
  row(
    'a text that is longer than the context is cut',
    post('/api/embed', { model: '$model', input: 'boat '.repeat(5_000) }),
    { status: 200, json: { embeddings: length(1) } },
    'vectors',
  ),
  row(
    'a text that is longer than the context is 400 where it may not be cut',
    post('/api/embed', { model: '$model', input: 'boat '.repeat(5_000), truncate: false }),
    error(400, 'the input length exceeds the context length'),
    'vectors',
  ),
  row(
    'the older route cuts nothing',
    post('/api/embeddings', { model: '$model', prompt: 'boat '.repeat(5_000) }),
    error(500, 'the input length exceeds the context length'),
    'vectors',
  ),
  row(
    'the older route has one vector, not of length 1, and nothing else',
    post('/api/embeddings', { model: '$model', prompt: 'a boat' }),
    { status: 200, type: /^application\/json/, json: exactly({ embedding: nonEmptyList }) },
    'vectors',
  ),
  row(
    'the older route has an empty vector of no text',
    post('/api/embeddings', { model: '$model' }),
    { status: 200, json: exactly({ embedding: [] }) },
    'vectors',
  ),
  row(
    'keep_alive counts for vectors as well, and is read as strictly',
    post('/api/embed', { model: '$model', input: 'x', keep_alive: 'x' }),
    error(400, text),
    'vectors',
  ),
  row(
    'numbers of a vector are finite',
    post('/api/embed', { model: '$model', input: ['x', 'y z'] }),
    { json: { embeddings: every(nonEmptyList), error: absent } },
    'vectors',
  ),
])
