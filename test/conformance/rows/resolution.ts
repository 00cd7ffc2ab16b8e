/** What a name means, and what is said of one that means nothing: each endpoint has its own words. */
import { absent, containing, text } from '../match.ts'
import { error, post, type Row, remove, row, section } from '../row.ts'

const hello = [{ role: 'user', content: 'Hello' }]
const invalid = error(400, 'invalid model name')

/** What each endpoint is sent beside the model. */
const bodies = {
  '/api/generate': { prompt: 'x', stream: false },
  '/api/chat': { messages: hello, stream: false },
  '/api/embed': { input: 'x' },
  '/api/embeddings': { prompt: 'x' },
  '/api/show': {},
}
type Path = keyof typeof bodies

const missing: Readonly<Record<Path, readonly [status: number, words: string]>> = {
  '/api/generate': [404, "model '' not found"],
  '/api/chat': [400, 'model is required'],
  '/api/embed': [404, "model '' not found"],
  '/api/embeddings': [400, 'model is required'],
  '/api/show': [400, 'model is required'],
}

const unknown: Readonly<Record<Path, string>> = {
  '/api/generate': "model 'no-such' not found",
  '/api/chat': "model 'no-such' not found",
  '/api/embed': 'model "no-such" not found, try pulling it first',
  '/api/embeddings': 'model "no-such" not found, try pulling it first',
  '/api/show': "model 'no-such:latest' not found",
}

const badNames = [
  '../../etc/passwd',
  'a/../b',
  'x:..',
  'a//b',
  'na me',
  'x:',
  '/x',
  '-x',
  'a\u0000b',
  'ü',
  `${'x'.repeat(81)}`,
]

export const resolutionRows: readonly Row[] = section('2.2 names', [
  ...(Object.keys(bodies) as Path[]).flatMap((path) => [
    row(`${path} has its words for a model that is missing`, post(path, bodies[path]), error(...missing[path])),
    row(`${path} has the same for an empty one`, post(path, { ...bodies[path], model: '' }), error(...missing[path])),
    row(
      `${path} has its words for a model that nobody has`,
      post(path, { ...bodies[path], model: 'no-such' }),
      error(404, unknown[path]),
    ),
    row(`${path} refuses what is no name`, post(path, { ...bodies[path], model: 'a b' }), invalid),
  ]),
  ...badNames.map((model) =>
    row(`${JSON.stringify(model.slice(0, 20))} is no name`, post('/api/generate', { model, prompt: 'x' }), invalid),
  ),
  row(
    '/api/show adds the tag to a name that it does not know',
    post('/api/show', { model: 'no-such:7b' }),
    error(404, "model 'no-such:7b' not found"),
  ),
  row(
    '/api/show takes a name instead of a model',
    post('/api/show', { name: '$model' }),
    { status: 200 },
    'completion',
  ),
  row('deleting needs a model', remove('/api/delete', {}), error(400, 'model is required')),
  row('deleting refuses what is no name', remove('/api/delete', { model: 'a b' }), error(400, 'name "a b" is invalid')),
  row(
    'deleting a model that nobody has is 404',
    remove('/api/delete', { name: 'no-such' }),
    error(404, "model 'no-such' not found"),
  ),
  row(
    'copying needs a source',
    post('/api/copy', { source: '', destination: 'b' }),
    error(400, 'source "" is invalid'),
  ),
  row(
    'copying needs a destination that is a name',
    post('/api/copy', { source: 'a', destination: '../b' }),
    error(400, 'destination "../b" is invalid'),
  ),
  row(
    'copying a model that nobody has is 404',
    post('/api/copy', { source: 'no-such', destination: 'b' }),
    error(404, 'model "no-such" not found'),
  ),
  row(
    'a name is found whatever its case',
    post('/api/show', { model: '$upper' }),
    { status: 200, json: { modelfile: text, error: absent } },
    'completion',
  ),
  row('a name may say that it is local', post('/api/show', { model: '$model:local' }), { status: 200 }, 'completion'),
  row(
    'a model that makes vectors alone does not chat',
    post('/api/chat', { model: '$model', messages: hello }),
    error(400, '"$model" does not support chat'),
    'embedding',
  ),
  row(
    'a model that makes vectors alone does not complete',
    post('/api/generate', { model: '$model', prompt: 'x' }),
    error(400, '"$model" does not support generate'),
    'embedding',
  ),
  row(
    'a model without tools refuses them by its full name',
    post('/api/chat', { model: '$model', messages: hello, tools: [{ type: 'function', function: { name: 'f' } }] }),
    error(400, '$full does not support tools'),
    'plain',
  ),
  row(
    'a model without insertion refuses a suffix',
    post('/api/generate', { model: '$model', prompt: 'x', suffix: 'y' }),
    error(400, '$full does not support insert'),
    'plain',
  ),
  row(
    'a model without thoughts refuses to think',
    post('/api/generate', { model: '$model', prompt: 'x', think: true }),
    error(400, '"$model" does not support thinking'),
    'plain',
  ),
  row(
    'a model without thoughts refuses to think in a chat',
    post('/api/chat', { model: '$model', messages: hello, think: 'high' }),
    error(400, '"$model" does not support thinking'),
    'plain',
  ),
  row(
    'a model without thoughts may be told not to think',
    post('/api/chat', { model: '$model', messages: hello, think: false, stream: false, options: { num_predict: 2 } }),
    { status: 200 },
    'plain',
  ),
  row(
    'a model without sight refuses images',
    post('/api/generate', { model: '$model', prompt: 'x', images: ['aGk='] }),
    error(400, containing('does not support vision')),
    'plain',
  ),
])
