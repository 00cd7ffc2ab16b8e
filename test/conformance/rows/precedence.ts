/** Which error is answered where a request has two: the order of Ollama's checks. */
import { containing, text } from '../match.ts'
import { type Expectation, error, type ModelKind, post, type Row, remove, row, section } from '../row.ts'

const conversation = { messages: [{ role: 'user', content: 'Hello' }], stream: false }
const prompt = { prompt: 'x', stream: false }
const bodies = { '/api/generate': prompt, '/api/chat': conversation }
type Path = keyof typeof bodies
const paths = Object.keys(bodies) as Path[]

/** Things that are wrong with a request, each beside what is right with it. */
const wrong = {
  keepAlive: { keep_alive: '-1' },
  think: { think: 'slow' },
  topLogprobs: { logprobs: true, top_logprobs: 21 },
  raw: { raw: true, system: 'x' },
  option: { options: { temperature: 'hot' } },
  format: { format: 'yaml' },
  template: { template: '{{ if }}' },
  tools: { tools: [{ type: 'function', function: { name: 'f' } }] },
}

const noUnit = error(400, 'time: missing unit in duration "-1"')
const unknown = error(404, "model 'no-such' not found")
const rawRefused = error(400, 'raw mode does not support template, system, or context')
const noThinking = error(400, '"$model" does not support thinking')
const hot = error(500, 'option "temperature" must be of type float32')
const loaded: Expectation = { status: 200, json: { done_reason: 'load' } }

/** A row whose request has both faults. */
const pair = (words: string, path: string, body: object, expect: Expectation, needs?: ModelKind) =>
  row(`${path}: ${words}`, post(path, body), expect, needs)

export const precedenceRows: readonly Row[] = section('2.2 which error comes first', [
  ...paths.flatMap((path) => {
    const body = bodies[path]
    const rest = { ...body, model: '$model' }
    const verb = path.slice('/api/'.length)
    return [
      pair('keep_alive before the name', path, { ...body, model: 'a b', ...wrong.keepAlive }, noUnit),
      pair('keep_alive before likely tokens', path, { ...body, ...wrong.topLogprobs, ...wrong.keepAlive }, noUnit),
      pair(
        'think before likely tokens',
        path,
        { ...body, model: 'no-such', ...wrong.topLogprobs, ...wrong.think },
        error(400, containing('invalid think value: "slow"')),
      ),
      pair(
        'likely tokens before the name',
        path,
        { ...body, model: 'a b', ...wrong.topLogprobs },
        error(400, 'top_logprobs must be between 0 and 20'),
      ),
      pair('a model that nobody has before its format', path, { ...body, model: 'no-such', ...wrong.format }, unknown),
      pair('a model that nobody has before its options', path, { ...body, model: 'no-such', ...wrong.option }, unknown),
      pair('a model that nobody has before what it cannot', path, { ...body, model: 'no-such', think: true }, unknown),
      pair('a model that nobody has before unloading', path, { model: 'no-such', keep_alive: 0 }, unknown),
      pair('thinking before completing', path, { ...rest, think: true }, noThinking, 'embedding'),
      pair(
        'completing before options and format',
        path,
        { ...rest, ...wrong.option, ...wrong.format },
        error(400, `"$model" does not support ${verb}`),
        'embedding',
      ),
      pair('thinking before options and format', path, { ...rest, think: true, ...wrong.option }, noThinking, 'plain'),
      pair('options before the format', path, { ...rest, ...wrong.option, ...wrong.format }, hot, 'completion'),
      pair('an option is wrong also for loading', path, { model: '$model', ...wrong.option }, hot, 'completion'),
      pair('thinking is refused also for loading', path, { model: '$model', think: true }, noThinking, 'plain'),
      pair('a format is nothing to loading', path, { model: '$model', ...wrong.format }, loaded, 'completion'),
      pair(
        'a format is nothing to rendering',
        path,
        { ...rest, ...wrong.format, _debug_render_only: true },
        { status: 200, json: { _debug_info: { rendered_template: containing(path === '/api/chat' ? 'Hello' : 'x') } } },
        'completion',
      ),
      pair(
        'what only makes vectors unloads as well',
        path,
        { model: '$model', keep_alive: 0 },
        { status: 200, json: { done_reason: 'unload' } },
        'embedding',
      ),
    ]
  }),
  ...[{ template: 'x' }, { system: 'x' }, { context: [1] }].map((field) =>
    pair(
      `a model that nobody has before raw with ${Object.keys(field)[0]}`,
      '/api/generate',
      { ...prompt, model: 'no-such', raw: true, ...field },
      unknown,
    ),
  ),
  ...([{ think: true }, { suffix: 'y' }, wrong.option, wrong.format] as const).map((field) =>
    pair(
      `raw before ${Object.keys(field)[0]}`,
      '/api/generate',
      { ...prompt, model: '$model', ...wrong.raw, ...field },
      rawRefused,
      'plain',
    ),
  ),
  pair('raw before completing', '/api/generate', { ...prompt, model: '$model', ...wrong.raw }, rawRefused, 'embedding'),
  pair('raw is refused also for loading', '/api/generate', { model: '$model', ...wrong.raw }, rawRefused, 'completion'),
  pair(
    'thinking before insertion',
    '/api/generate',
    { ...prompt, model: '$model', think: true, suffix: 'y' },
    noThinking,
    'plain',
  ),
  pair(
    'insertion is refused also for loading, before options',
    '/api/generate',
    { model: '$model', suffix: 'y', ...wrong.option },
    error(400, '$full does not support insert'),
    'plain',
  ),
  pair(
    'options before the template',
    '/api/generate',
    { ...prompt, model: '$model', ...wrong.option, ...wrong.template },
    hot,
    'completion',
  ),
  pair(
    'a template is nothing to loading',
    '/api/generate',
    { model: '$model', ...wrong.template },
    loaded,
    'completion',
  ),
  pair(
    'thinking before tools',
    '/api/chat',
    { ...conversation, model: '$model', think: true, ...wrong.tools },
    noThinking,
    'plain',
  ),
  pair(
    'tools are refused also for loading, before options',
    '/api/chat',
    { model: '$model', ...wrong.tools, ...wrong.option },
    error(400, '$full does not support tools'),
    'plain',
  ),
  pair(
    'the arguments of a call before likely tokens',
    '/api/chat',
    {
      model: 'no-such',
      messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: 7 } }] }],
      ...wrong.topLogprobs,
    },
    error(400, text),
  ),
  ...['/api/embed', '/api/embeddings'].flatMap((path) => [
    pair('keep_alive before the name', path, { model: 'a b', ...wrong.keepAlive }, noUnit),
    pair('keep_alive before a name that is missing', path, wrong.keepAlive, noUnit),
    pair(
      'a model that nobody has before its options',
      path,
      { model: 'no-such', input: 'x', prompt: 'x', ...wrong.option },
      error(404, 'model "no-such" not found, try pulling it first'),
    ),
    pair('an option is wrong also for loading', path, { model: '$model', ...wrong.option }, hot, 'vectors'),
  ]),
  pair('keep_alive before the input', '/api/embed', { model: 'no-such', input: 5, ...wrong.keepAlive }, noUnit),
  pair(
    'the input before a model that nobody has',
    '/api/embed',
    { model: 'no-such', input: [5] },
    error(400, 'invalid input type'),
  ),
  pair(
    'the input before options',
    '/api/embed',
    { model: '$model', input: [5], ...wrong.option },
    error(400, 'invalid input type'),
    'vectors',
  ),
  pair('the name before the input', '/api/embed', { model: 'a b', input: 5 }, error(400, 'invalid model name')),
  pair(
    'model before name',
    '/api/show',
    { model: 'a b', name: '$model' },
    error(400, 'invalid model name'),
    'completion',
  ),
  pair(
    'the source before the destination',
    '/api/copy',
    { source: 'a b', destination: 'c d' },
    error(400, 'source "a b" is invalid'),
  ),
  pair(
    'the destination before a source that nobody has',
    '/api/copy',
    { source: 'no-such', destination: 'c d' },
    error(400, 'destination "c d" is invalid'),
  ),
  row(
    '/api/delete: model before name',
    remove('/api/delete', { model: 'a b', name: '$model' }),
    error(400, 'name "a b" is invalid'),
    'completion',
  ),
  pair('a name that is missing is none', '/api/pull', {}, error(400, 'invalid model name')),
  pair('an empty name is none', '/api/pull', { model: '', name: '' }, error(400, 'invalid model name')),
  pair('a name that is missing is required', '/api/push', {}, error(400, 'model is required')),
  pair(
    'a file name before the name',
    '/api/create',
    { model: 'a b', files: { '../x': 'y' } },
    error(400, 'file path must be relative'),
  ),
  pair(
    'the name before what it is made of',
    '/api/create',
    { model: 'a b', from: 'c d', adapters: { '../x': 'y' } },
    error(400, 'invalid model name'),
  ),
  pair(
    'the base before its adapters and another host',
    '/api/create',
    { model: '$new', from: 'a b', adapters: { '../x': 'y' }, remote_host: 'x' },
    error(400, 'invalid model name'),
  ),
  pair(
    'what it is made of before adapters',
    '/api/create',
    { model: '$new', adapters: { '../x': 'y' } },
    error(400, "neither 'from' or 'files' was specified"),
  ),
])
