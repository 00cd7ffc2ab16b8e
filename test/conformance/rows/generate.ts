/** `POST /api/generate`. */
import {
  absent,
  containing,
  every,
  keysInOrder,
  nonEmptyList,
  nonEmptyText,
  oneOf,
  text,
  utcTime,
  without,
} from '../match.ts'
import { error, post, type Row, row, rowOf, section, step } from '../row.ts'
import { completionKeys, metrics } from '../shapes.ts'

const options = { num_predict: 6, temperature: 0 }
const said = { model: '$model', prompt: 'What is the capital of France?', stream: false, options }
const bare = { total_duration: absent, load_duration: absent, eval_count: absent, context: absent }

export const generateRows: readonly Row[] = section('2.3 generate', [
  rowOf(
    'an empty prompt loads the model and does not stream',
    'completion',
    step(post('/api/generate', { model: '$model' }), {
      status: 200,
      type: 'application/json; charset=utf-8',
      json: { model: '$model', created_at: utcTime, response: '', done: true, done_reason: 'load', ...bare },
    }),
    step(post('/api/generate', { model: '$model', prompt: '', stream: true }), { json: { done_reason: 'load' } }),
    step(post('/api/generate', { model: '$model', suffix: '', system: 'x' }), { json: { done_reason: 'load' } }),
  ),
  rowOf(
    'an empty prompt with keep_alive 0 unloads the model, and one that is not loaded as well',
    'completion',
    ...[1, 2].map(() =>
      step(post('/api/generate', { model: '$model', keep_alive: 0 }), {
        status: 200,
        type: 'application/json; charset=utf-8',
        json: { model: '$model', created_at: utcTime, response: '', done: true, done_reason: 'unload', ...bare },
      }),
    ),
  ),
  row(
    'what would be refused matters not to a request that unloads',
    post('/api/generate', { model: '$model', keep_alive: 0, raw: true, template: 'x', suffix: 'y' }),
    { status: 200, json: { done_reason: 'unload' } },
    'completion',
  ),
  row(
    'images alone load the model',
    post('/api/generate', { model: '$model', images: ['aGk='] }),
    { status: 200, json: { response: '', done_reason: 'load' } },
    'vision',
  ),
  ...[{ template: 'x' }, { system: 'x' }, { context: [1] }].map((field) =>
    row(
      `raw refuses ${Object.keys(field)[0]}`,
      post('/api/generate', { ...said, raw: true, ...field }),
      error(400, 'raw mode does not support template, system, or context'),
      'completion',
    ),
  ),
  row(
    'a whole answer has everything in the order of Ollama',
    post('/api/generate', said),
    {
      status: 200,
      type: 'application/json; charset=utf-8',
      json: keysInOrder(...completionKeys),
    },
    'completion',
  ),
  row(
    'a whole answer is done, for a reason, with its metrics and its context',
    post('/api/generate', said),
    {
      json: {
        response: nonEmptyText,
        done: true,
        done_reason: oneOf('stop', 'length'),
        context: nonEmptyList,
        ...metrics,
      },
    },
    'completion',
  ),
  row(
    'a stream has pieces without metrics, and one last object with them all',
    post('/api/generate', { ...said, stream: true }),
    {
      lines: every(keysInOrder(...completionKeys)),
      last: { done: true, response: '', done_reason: oneOf('stop', 'length'), context: nonEmptyList, ...metrics },
      check: ({ lines }) => {
        const pieces = lines.slice(0, -1) as Record<string, unknown>[]
        if (pieces.length === 0) return 'wants pieces before the last line'
        const odd = pieces.find((piece) => piece.done !== false || 'done_reason' in piece || 'eval_count' in piece)
        return odd === undefined ? undefined : `a piece is ${JSON.stringify(odd)}`
      },
    },
    'completion',
  ),
  rowOf(
    'a stream says the same as a whole answer',
    'completion',
    step(post('/api/generate', { ...said, options: { ...options, seed: 7 } }), { status: 200 }),
    step(post('/api/generate', { ...said, stream: true, options: { ...options, seed: 7 } }), {
      status: 200,
      check: ({ lines }, [whole]) => {
        const said = (lines as { response: string }[]).map(({ response }) => response).join('')
        const { response } = (whole?.json ?? {}) as { response?: string }
        return said === response ? undefined : `the stream says ${JSON.stringify(said)}, the whole ${response}`
      },
    }),
  ),
  row(
    'a raw answer has no context',
    post('/api/generate', { ...said, raw: true }),
    { json: { response: text, context: absent, ...metrics } },
    'completion',
  ),
  row(
    'num_predict ends an answer for its length',
    post('/api/generate', { ...said, raw: true, options: { num_predict: 2, temperature: 0 } }),
    { json: { done_reason: 'length', eval_count: 2 } },
    'completion',
  ),
  row(
    'no limit is what a num_predict of 0 says',
    post('/api/generate', { ...said, raw: true, prompt: '⟦told⟧', options: { num_predict: 0, temperature: 0 } }),
    { json: { response: 'told', done_reason: 'stop' } },
    'told',
  ),
  row(
    'a num_predict of 0 is more than one token',
    post('/api/generate', { ...said, options: { num_predict: 0, temperature: 0 } }),
    { json: { done_reason: 'stop' } },
    'completion',
  ),
  row(
    'the token by which a model ends its answer counts',
    post('/api/generate', { ...said, raw: true, prompt: '⟦told⟧', options: { num_predict: 60 } }),
    { json: { response: 'told', done_reason: 'stop', eval_count: 5 } },
    'told',
  ),
  row(
    'the tokens of a stop string count and are not in the context',
    post('/api/generate', { ...said, prompt: '⟦told you⟧', options: { num_predict: 60, stop: [' yo'] } }),
    {
      json: { response: 'told', done_reason: 'stop', eval_count: 7 },
      check: ({ json }) => {
        const { context, prompt_eval_count } = json as { context: number[]; prompt_eval_count: number }
        return context.length === prompt_eval_count + 4 ? undefined : `the context has ${context.length} tokens`
      },
    },
    'told',
  ),
  row(
    'an answer ends before a stop string',
    post('/api/generate', {
      ...said,
      prompt: '⟦Hold on. Stop here and say no more⟧',
      raw: true,
      options: { num_predict: 60, stop: ['Stop'] },
    }),
    { json: { response: 'Hold on. ', done_reason: 'stop' } },
    'told',
  ),
  row(
    'what is said arrives as it is, markup and all',
    post('/api/generate', { ...said, raw: true, prompt: '⟦<b>&amp; "ä🙂"</b>⟧', options: { num_predict: 60 } }),
    { json: { response: '<b>&amp; "ä🙂"</b>', done_reason: 'stop' } },
    'told',
  ),
  row(
    'a context comes before the prompt, and the next context begins with it',
    post('/api/generate', { ...said, context: [1, 2, 3, 4, 5] }),
    {
      status: 200,
      check: ({ json }) => {
        const { context, prompt_eval_count } = json as { context: number[]; prompt_eval_count: number }
        const begins = context.slice(0, 5).join() === '1,2,3,4,5'
        return begins && prompt_eval_count > 5 ? undefined : `the context is ${context.slice(0, 8)}…`
      },
    },
    'completion',
  ),
  row(
    'a template of the request is used instead of the model’s',
    post('/api/generate', {
      ...said,
      template: '<<{{ .System }}>>{{ .Prompt }}',
      system: 'S',
      prompt: 'P',
      _debug_render_only: true,
    }),
    { json: { _debug_info: { rendered_template: '<<S>>P' } } },
    'completion',
  ),
  row(
    'a template that cannot be read is 500',
    post('/api/generate', { ...said, template: '{{ if }}' }),
    { status: 500, json: { error: text } },
    'completion',
  ),
  row(
    'a system text of the request is used instead of the model’s',
    post('/api/generate', { ...said, system: 'Be a pirate.', _debug_render_only: true }),
    { json: { _debug_info: { rendered_template: containing('Be a pirate.') } } },
    'completion',
  ),
  row(
    'a suffix is rendered with the prompt',
    post('/api/generate', { ...said, prompt: 'def f(', suffix: 'return 1', _debug_render_only: true }),
    { json: { _debug_info: { rendered_template: containing('def f(', 'return 1') } } },
    'insert',
  ),
  row(
    'a raw prompt is rendered as it is',
    post('/api/generate', { ...said, prompt: '[x]{{ .Prompt }}', raw: true, _debug_render_only: true }),
    { json: { _debug_info: { rendered_template: '[x]{{ .Prompt }}' } } },
    'completion',
  ),
  row(
    'thoughts come apart from the answer',
    post('/api/generate', { ...said, prompt: '⟦<think>hm</think>yes⟧', think: true, options: { num_predict: 60 } }),
    { status: 200, json: { thinking: 'hm', response: 'yes' } },
    'told-thinking',
  ),
  row(
    'a model that can think does so where nobody says',
    post('/api/generate', { ...said, prompt: '⟦<think>hm</think>yes⟧', options: { num_predict: 60 } }),
    { status: 200, json: { thinking: 'hm', response: 'yes' } },
    'told-thinking',
  ),
  row(
    'thoughts are streamed in a field of their own',
    post('/api/generate', { ...said, stream: true, prompt: '⟦<think>hm hm</think>yes⟧', options: { num_predict: 60 } }),
    {
      status: 200,
      lines: every({ response: without('<think>') }),
      check: ({ lines }) => {
        const joined = (field: string) => lines.map((line) => (line as Record<string, string>)[field] ?? '').join('')
        const [thoughts, answer] = [joined('thinking'), joined('response')]
        return thoughts === 'hm hm' && answer === 'yes' ? undefined : `thoughts ${thoughts}, answer ${answer}`
      },
    },
    'told-thinking',
  ),
  row(
    'images count in what is rendered',
    post('/api/generate', { ...said, prompt: 'See', images: ['aGk=', 'aG8='], _debug_render_only: true }),
    { json: { _debug_info: { image_count: 2 } } },
    'vision',
  ),
  row(
    'probabilities come with every line of a stream that has a token',
    post('/api/generate', { ...said, raw: true, stream: true, logprobs: true, top_logprobs: 2 }),
    {
      status: 200,
      check: ({ lines }) => {
        const rows = (lines as { logprobs?: { top_logprobs: unknown[] }[] }[]).flatMap(({ logprobs = [] }) => logprobs)
        const { eval_count } = lines.at(-1) as { eval_count: number }
        if (rows.length !== eval_count) return `${rows.length} probabilities of ${eval_count} tokens`
        return rows.every(({ top_logprobs }) => top_logprobs.length === 2) ? undefined : 'wants two likely tokens each'
      },
    },
    'completion',
  ),
  row(
    'a prompt that is longer than the context is 400 where it may not be cut, in the words of llama.cpp',
    post('/api/generate', {
      ...said,
      raw: true,
      truncate: false,
      prompt: 'word '.repeat(6_000),
      options: { ...options, num_ctx: 128 },
    }),
    error(400, /request \(\d+ tokens\) exceeds the available context size \(128 tokens\), try increasing it/),
    'completion',
  ),
  row(
    'a stream that cannot begin is JSON without a charset',
    post('/api/generate', {
      ...said,
      raw: true,
      stream: true,
      shift: false,
      prompt: 'word '.repeat(6_000),
      options: { ...options, num_ctx: 128 },
    }),
    { status: 400, type: 'application/json', json: { error: containing('longer than the context length') } },
    'completion',
  ),
  row(
    'fields of image generation are ignored',
    post('/api/generate', { ...said, width: 100, height: 100, steps: 3 }),
    { status: 200 },
    'completion',
  ),
  row(
    'a prompt that is longer than the context is cut in its middle',
    post('/api/generate', { ...said, raw: true, prompt: 'word '.repeat(6_000), options: { ...options, num_ctx: 128 } }),
    { status: 200, json: { done: true } },
    'completion',
  ),
  row(
    'a prompt that is longer than the context is 400 where nothing may be shifted',
    post('/api/generate', {
      ...said,
      raw: true,
      shift: false,
      prompt: 'word '.repeat(6_000),
      options: { ...options, num_ctx: 128 },
    }),
    error(400, /^the prompt is longer than the context length currently available to the model; shorten the prompt/),
    'completion',
  ),
])
