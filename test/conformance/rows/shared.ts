/** Fields that several endpoints read the same way. */
import { anObject, containing, length, oneOf, text, within } from '../match.ts'
import { error, post, type Row, row, rowOf, section, step } from '../row.ts'

const hello = [{ role: 'user', content: 'Hello' }]
const said = { model: '$model', prompt: 'x', stream: false, options: { num_predict: 2 } }
const chat = { model: '$model', messages: hello, stream: false, options: { num_predict: 2 } }

const badOptions = [
  [{ temperature: 'hot' }, 'option "temperature" must be of type float32'],
  [{ num_predict: 'many' }, 'option "num_predict" must be of type integer'],
  [{ num_ctx: [] }, 'option "num_ctx" must be of type integer'],
  [{ use_mmap: 1 }, 'option "use_mmap" must be of type boolean'],
  [{ stop: 'x' }, 'option "stop" must be of type array'],
  [{ stop: [1] }, 'option "stop" must be of an array of strings'],
  [{ seed: true }, 'option "seed" must be of type integer'],
  [{ top_p: {} }, 'option "top_p" must be of type float32'],
  [{ typical_p: 'x' }, 'option "typical_p" must be of type float32'],
  [{ repeat_last_n: '64' }, 'option "repeat_last_n" must be of type integer'],
  [{ main_gpu: {} }, 'option "main_gpu" must be of type integer'],
  [{ draft_num_predict: false }, 'option "draft_num_predict" must be of type integer'],
] as const

export const sharedRows: readonly Row[] = section('2.1 shared', [
  ...[300, 0.5, -1, '5m', '1h30m', '-1m', '1.5s', '300ms'].map((keep_alive) =>
    row(
      `keep_alive may be ${JSON.stringify(keep_alive)}`,
      post('/api/generate', { model: '$model', keep_alive }),
      { status: 200, json: { done_reason: 'load' } },
      'completion',
    ),
  ),
  row(
    'keep_alive "0" unloads as 0 does',
    post('/api/generate', { model: '$model', keep_alive: '0' }),
    { status: 200, json: { done_reason: 'unload' } },
    'completion',
  ),
  ...(
    [
      ['300', 'time: missing unit in duration "300"'],
      ['-1', 'time: missing unit in duration "-1"'],
      ['5 parsecs', containing('unknown unit')],
      ['', 'time: invalid duration ""'],
      ['soon', 'time: invalid duration "soon"'],
    ] as const
  ).map(([keep_alive, words]) =>
    row(
      `keep_alive ${JSON.stringify(keep_alive)} is 400 in the words of Go`,
      post('/api/generate', { model: '$model', keep_alive }),
      error(400, words),
      'completion',
    ),
  ),
  ...[true, [], {}].map((keep_alive) =>
    row(
      `keep_alive ${JSON.stringify(keep_alive)} is 400`,
      post('/api/chat', { ...chat, keep_alive }),
      error(400, /^Unsupported type: '/),
      'completion',
    ),
  ),
  ...['yaml', 5, true, ['json']].map((format) =>
    row(
      `format ${JSON.stringify(format)} is 500 in Ollama's words`,
      post('/api/generate', { ...said, format }),
      error(500, /^invalid format: .*; expected "json" or a valid JSON Schema object$/),
      'completion',
    ),
  ),
  row(
    'a schema that says nothing is any object',
    post('/api/generate', { ...said, format: {}, options: { num_predict: 1, temperature: 0 } }),
    { status: 200, json: { response: /^\{/ } },
    'completion',
  ),
  row('an empty format is none', post('/api/chat', { ...chat, format: '' }), { status: 200 }, 'completion'),
  row('a format that is null is none', post('/api/chat', { ...chat, format: null }), { status: 200 }, 'completion'),
  row(
    'format "json" gives an object',
    post('/api/generate', { ...said, format: 'json', options: { num_predict: 200, temperature: 0 } }),
    { status: 200, json: { response: /^\s*\{/ } },
    'completion',
  ),
  {
    title: 'a schema as a format gives a value of it',
    needs: 'completion',
    steps: [
      step(
        post('/api/chat', {
          ...chat,
          format: { type: 'object', properties: { answer: { enum: ['yes', 'no'] } }, required: ['answer'] },
          options: { num_predict: 64, temperature: 0 },
        }),
        {
          status: 200,
          json: { message: { content: text } },
          check: ({ json }) => {
            const { content } = (json as { message: { content: string } }).message
            const { answer } = JSON.parse(content) as { answer: string }
            return ['yes', 'no'].includes(answer) ? undefined : `wants {"answer":"yes" or "no"}, got ${content}`
          },
        },
      ),
    ],
  },
  ...['slow', '', 5, []].map((think) =>
    row(`think ${JSON.stringify(think)} is 400`, post('/api/chat', { ...chat, think }), error(400, text), 'thinking'),
  ),
  row(
    'think "slow" is refused in Ollama\'s words',
    post('/api/generate', { ...said, think: 'slow' }),
    error(400, 'invalid think value: "slow" (must be "high", "medium", "low", "max", true, or false)'),
    'thinking',
  ),
  ...[true, false, 'low', 'medium', 'high', 'max'].map((think) =>
    row(`think may be ${JSON.stringify(think)}`, post('/api/chat', { ...chat, think }), { status: 200 }, 'thinking'),
  ),
  ...['/api/generate', '/api/chat'].flatMap((path) =>
    [-1, 21].map((top_logprobs) =>
      row(
        `${path} refuses ${top_logprobs} likely tokens before it looks for the model`,
        post(path, { model: 'no-such', logprobs: true, top_logprobs }),
        error(400, 'top_logprobs must be between 0 and 20'),
      ),
    ),
  ),
  rowOf(
    'probabilities come with every token where they are asked for',
    'completion',
    step(post('/api/generate', { ...said, logprobs: true, options: { num_predict: 4, seed: 1, stop: [] } }), {
      status: 200,
      check: ({ json }) => probabilities(json, undefined),
    }),
    step(post('/api/chat', { ...chat, logprobs: true, top_logprobs: 3 }), {
      status: 200,
      check: ({ json }) => probabilities(json, 3),
    }),
  ),
  row(
    'ten tokens have ten probabilities',
    post('/api/generate', {
      ...said,
      raw: true,
      prompt: 'Once upon a time',
      logprobs: true,
      options: { num_predict: 10, temperature: 0 },
    }),
    { status: 200, json: { logprobs: length(10), eval_count: 10 } },
    'completion',
  ),
  row(
    'no probabilities come where none are asked for',
    post('/api/chat', { ...chat, top_logprobs: 3 }),
    { status: 200, check: ({ json }) => ('logprobs' in (json as object) ? 'logprobs are there' : undefined) },
    'completion',
  ),
  row(
    'an image that is no base64 is 400',
    post('/api/generate', { ...said, images: ['a*b='] }),
    error(400, 'illegal base64 data at input byte 1'),
    'vision',
  ),
  ...badOptions.map(([options, words]) =>
    row(
      `an option of the wrong type is 500: ${JSON.stringify(options)}`,
      post('/api/generate', { ...said, options }),
      error(500, words),
      'completion',
    ),
  ),
  row(
    'options that Ollama no longer has are ignored, whatever their type',
    post('/api/generate', {
      ...said,
      options: { num_predict: 2, mirostat: 'x', mirostat_tau: [], mirostat_eta: {}, tfs_z: 'x', penalize_newline: 3 },
    }),
    { status: 200, json: { done: true } },
    'completion',
  ),
  ...[
    { typical_p: 0.5 },
    { min_p: 0.1, top_k: 0, top_p: 1 },
    { presence_penalty: 1, frequency_penalty: -1, repeat_penalty: 1.2, repeat_last_n: -1 },
    { num_keep: -1, seed: -1, temperature: 2 },
  ].map((options) =>
    row(
      `sampling may be told ${JSON.stringify(options)}`,
      post('/api/generate', { ...said, options: { num_predict: 2, ...options } }),
      { status: 200, json: { done: true } },
      'completion',
    ),
  ),
  rowOf(
    'a wrong think is refused also where nothing is to be answered',
    'completion',
    step(post('/api/generate', { model: '$model', think: 'slow' }), error(400, /^invalid think value: "slow"/)),
    step(post('/api/chat', { model: '$model', think: 'slow' }), error(400, /^invalid think value: "slow"/)),
  ),
  row(
    'an image that is no base64 is refused also where nothing is to be answered, and before the model is looked for',
    post('/api/generate', { model: 'no-such', images: ['a*b='] }),
    error(400, 'illegal base64 data at input byte 1'),
  ),
  row(
    'options that nobody knows are ignored, null is skipped and fractions of integers are cut off',
    post('/api/generate', { ...said, options: { num_predict: 2.9, top_k: null, wings: 2 } }),
    { status: 200, json: { eval_count: within(1, 2) } },
    'completion',
  ),
  row(
    '_debug_render_only shows the prompt and computes nothing',
    post('/api/chat', { ...chat, _debug_render_only: true }),
    { status: 200, json: { model: '$model', _debug_info: { rendered_template: containing('Hello') } } },
    'completion',
  ),
  row(
    '_debug_render_only answers one object to a stream as well',
    post('/api/generate', { ...said, prompt: 'Marmalade', stream: true, _debug_render_only: true }),
    {
      status: 200,
      type: 'application/json; charset=utf-8',
      json: { _debug_info: anObject, response: oneOf('', text) },
    },
    'completion',
  ),
])

interface Probability {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[]
  readonly top_logprobs?: readonly Probability[]
}

/** What is wrong with the probabilities of an answer, `top` of which were asked for with each token. */
function probabilities(json: unknown, top: number | undefined): string | undefined {
  const rows = (json as { logprobs?: readonly Probability[] }).logprobs
  if (rows === undefined || rows.length === 0) return 'wants logprobs, got none'
  for (const { token, bytes, logprob, top_logprobs } of rows) {
    if (logprob > 0) return `${JSON.stringify(token)} has the log of a probability above 1: ${logprob}`
    if (Buffer.from(bytes).toString() !== token) return `${JSON.stringify(token)} has the bytes ${bytes}`
    if (top_logprobs?.length !== top) return `wants ${top} likely tokens, got ${top_logprobs?.length}`
    const sorted = top_logprobs?.every((row, at) => at === 0 || row.logprob <= (top_logprobs[at - 1]?.logprob ?? 0))
    if (sorted === false) return `the likely tokens at ${JSON.stringify(token)} are not sorted`
  }
  return undefined
}
