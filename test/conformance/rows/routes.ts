/** Which paths answer to which methods, and what the small ones say. */
import { aList, both, oneOf, predicateOf, text } from '../match.ts'
import { error, get, head, post, type Row, row, section } from '../row.ts'

const cloudWords = 'ollama cloud is disabled: remote model is unavailable'

const posts = ['generate', 'chat', 'embed', 'embeddings', 'show', 'copy', 'create', 'pull', 'push', 'me', 'signout']
const present = predicateOf('any status but 404 and 405', (status) => status !== 404 && status !== 405)

export const routeRows: readonly Row[] = section('1 routes', [
  ...posts.map((name) =>
    row(`POST /api/${name} is a route that GET is not`, get(`/api/${name}`), {
      status: 405,
      headers: { allow: 'POST' },
    }),
  ),
  ...['/api/tags', '/api/version', '/'].map((path) =>
    row(`HEAD ${path} is answered without a body`, head(path), { status: 200, text: '' }),
  ),
  row('HEAD /api/ps is no route', head('/api/ps'), { status: 405 }),
  row('/api/delete is a route for DELETE alone', post('/api/delete', { model: 'x' }), {
    status: 405,
    headers: { allow: 'DELETE' },
  }),
  row('the version is three numbers, 0.6.4 or later', get('/api/version'), {
    status: 200,
    json: { version: both(/^\d+\.\d+\.\d+/, predicateOf('0.6.4 or later', isRecent)) },
  }),
  row('the status says whether there is a cloud', get('/api/status'), {
    status: 200,
    json: { cloud: { disabled: oneOf(true, false), source: oneOf('none', 'env', 'config', 'both') } },
  }),
  row('recommendations are a list', get('/api/experimental/model-recommendations'), {
    status: 200,
    json: { recommendations: aList },
  }),
  ...['/api/generate', '/api/chat', '/api/embed', '/api/embeddings', '/api/show'].map((path) =>
    row(
      `${path} refuses a model of the cloud as a server without one does`,
      post(path, { model: 'gpt-oss:120b-cloud' }),
      {
        ...error(403, cloudWords),
      },
    ),
  ),
  row(
    'a tag that is :cloud alone is a model of the cloud',
    post('/api/chat', { model: 'kimi:cloud', messages: [] }),
    error(403, cloudWords),
  ),
  row(
    'a name cannot be of the cloud and local',
    post('/api/generate', { model: 'x:cloud:local' }),
    error(400, /^use either :local or :cloud, not both: "/),
  ),
  ...['/api/me', '/api/experimental/web_search', '/api/experimental/web_fetch'].map((path) =>
    row(`POST ${path} says that there is no cloud`, post(path, {}), { status: oneOf(401, 403), json: { error: text } }),
  ),
  row(
    'signing out by the older route answers null too',
    { method: 'DELETE', path: '/api/user/keys/abc' },
    { status: 200, text: 'null' },
  ),
  row('POST /v1/images/generations is 404', post('/v1/images/generations', {}), {
    status: 404,
    text: '404 page not found',
  }),
  row('GET /v1/responses/resp_1 is 404', get('/v1/responses/resp_1'), { status: 404, text: '404 page not found' }),
  row('POST /v1/audio/transcriptions is a route', post('/v1/audio/transcriptions', ''), { status: present }),
  row('signing out answers null', post('/api/signout', {}), { status: 200, text: 'null' }),
  row('there is no /metrics, no pprof and no tokenizer', get('/api/tokenize'), { status: 404 }),
  ...['/debug/pprof', '/metrics'].map((path) => row(`GET ${path} is 404`, get(path), { status: 404 })),
  row('HEAD of a blob that nobody has is 404', head(`/api/blobs/sha256:${'0'.repeat(64)}`), { status: 404 }),
  row('a digest that is none is 400', post('/api/blobs/sha256:abc', 'x'), error(400, 'invalid digest format')),
  ...['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/messages'].map((path) =>
    row(`POST ${path} is a route`, post(path, ''), { status: present }),
  ),
  row('GET /v1/models is a route', get('/v1/models'), { status: 200, json: { object: 'list' } }),
])

function isRecent(version: unknown): boolean {
  const [major = 0, minor = 0, patch = 0] = String(version).split('.').map(Number)
  return major * 1_000_000 + minor * 1_000 + patch >= 6_004
}
