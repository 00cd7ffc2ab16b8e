/** Conventions of every route: bodies, errors, types, streams, slashes. */
import {
  absent,
  aList,
  anything,
  containing,
  every,
  keysInOrder,
  oneOf,
  positive,
  text,
  utcTime,
  without,
} from '../match.ts'
import { error, get, head, post, row, rowOf, section, step } from '../row.ts'
import { completionKeys } from '../shapes.ts'

const load = '{"model":"$model"}'
const loaded = { status: 200, json: { model: '$model', done: true, done_reason: 'load' } }
const short = { num_predict: 3 }
const said = { model: '$model', prompt: 'Say something.', options: short }

export const wireRows = section('0 wire', [
  ...['application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-16', ';;;'].map((type) =>
    row(
      `a body is JSON whatever its content type says: ${type}`,
      post('/api/generate', load, { 'content-type': type }),
      loaded,
      'completion',
    ),
  ),
  row('a body needs no content type', post('/api/generate', load), loaded, 'completion'),
  row(
    'only the first JSON value of a body is read',
    post('/api/generate', `${load} and {"more"`),
    loaded,
    'completion',
  ),
  row('unknown fields are ignored', post('/api/generate', '{"model":"$model","x":{"model":1}}'), loaded, 'completion'),
  row('keys match in any case', post('/api/generate', '{"MODEL":"$model","Prompt":""}'), loaded, 'completion'),
  row(
    'null is absent',
    post('/api/generate', '{"model":"$model","prompt":null,"options":null,"stream":null,"keep_alive":null}'),
    loaded,
    'completion',
  ),
  row(
    'of a key that comes twice the last counts',
    post('/api/generate', '{"model":"nobody","model":"$model"}'),
    loaded,
    'completion',
  ),
  row(
    'a body may be five megabytes long',
    post('/api/generate', `{"model":"$model","x":"${'x'.repeat(5_000_000)}"}`),
    loaded,
    'completion',
  ),
  row(
    'an Authorization header is accepted and ignored',
    post('/api/generate', load, { authorization: 'Bearer sk-nobody' }),
    loaded,
    'completion',
  ),
  ...['/api/generate', '/api/chat', '/api/embed', '/api/embeddings', '/api/show', '/api/copy'].map((path) =>
    row(`POST ${path} without a body is 400 in Ollama's words`, post(path, ''), error(400, 'missing request body')),
  ),
  row(
    "DELETE /api/delete without a body is 400 in Ollama's words",
    { method: 'DELETE', path: '/api/delete' },
    {
      ...error(400, 'missing request body'),
    },
  ),
  ...(['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/messages'] as const).map((path) =>
    row(`POST ${path} without a body is 400 in the words of Go`, post(path, ''), {
      status: 400,
      json: { error: { type: 'invalid_request_error', message: 'EOF' } },
    }),
  ),
  row('half an object is 400', post('/api/chat', '{"model":"x"'), error(400, 'unexpected EOF')),
  row(
    'what is no JSON is 400',
    post('/api/chat', 'model=x'),
    error(400, "invalid character 'm' looking for beginning of value"),
  ),
  ...(
    [
      ['/api/generate', '{"model":5}'],
      ['/api/generate', '{"model":"x","prompt":[]}'],
      ['/api/generate', '{"model":"x","stream":"yes"}'],
      ['/api/generate', '{"model":"x","context":["a"]}'],
      ['/api/chat', '{"model":"x","messages":{}}'],
      ['/api/chat', '{"model":"x","messages":["hello"]}'],
      ['/api/chat', '{"model":"x","messages":[{"role":"user","content":["a"]}]}'],
      ['/api/chat', '{"model":"x","options":[]}'],
      ['/api/embed', '{"model":"x","truncate":1}'],
      ['/api/show', '{"model":{}}'],
      ['/api/copy', '{"source":1}'],
      ['/api/chat', '[]'],
      ['/api/chat', '"text"'],
    ] as const
  ).map(([path, body]) => row(`a value of the wrong type is 400: ${path} ${body}`, post(path, body), error(400, text))),
  row('one JSON object has no newline after it', get('/api/version'), { text: /\}$/ }),
  row('one JSON object names its charset', get('/api/version'), { type: 'application/json; charset=utf-8' }),
  row(
    'a stream is lines of JSON, each with its newline',
    post('/api/generate', { ...said, stream: true }),
    { status: 200, type: 'application/x-ndjson', text: /\}\n$/, lines: every(keysInOrder(...completionKeys)) },
    'completion',
  ),
  row(
    'a completion streams where the request does not say',
    post('/api/generate', said),
    { type: 'application/x-ndjson', last: { done: true } },
    'completion',
  ),
  row(
    'a chat streams where the request does not say',
    post('/api/chat', { model: '$model', messages: [{ role: 'user', content: 'Hello' }], options: short }),
    { type: 'application/x-ndjson', last: { done: true } },
    'completion',
  ),
  row(
    'a stream that fails before it begins has a status',
    post('/api/generate', { model: 'nobody-has-this', prompt: 'x', stream: true }),
    error(404, "model 'nobody-has-this' not found"),
  ),
  row(
    'times are RFC 3339 in UTC and durations whole nanoseconds',
    post('/api/generate', { ...said, stream: false }),
    { json: { created_at: utcTime, total_duration: positive, load_duration: positive, eval_duration: positive } },
    'completion',
  ),
  row('an unknown path is 404 in plain text', get('/api/nowhere'), {
    status: 404,
    type: /^text\/plain/,
    text: '404 page not found',
  }),
  row('an unknown method is 405 in plain text and says what is allowed', get('/api/generate'), {
    status: 405,
    type: /^text\/plain/,
    text: '405 method not allowed',
    headers: { allow: 'POST' },
  }),
  row('an unknown method of a route with a name in it is 405 as well', get(`/api/blobs/sha256:${'0'.repeat(64)}`), {
    status: 405,
    headers: { allow: /^(HEAD, POST|POST, HEAD)$/ },
  }),
  row('a trailing slash leads to the route without', get('/api/version/'), {
    status: 301,
    headers: { location: '/api/version' },
  }),
  row('a trailing slash leads a body there to be sent again', post('/api/show/', {}), {
    status: 307,
    headers: { location: '/api/show' },
    text: '',
  }),
  ...['//api/tags', '/api/./tags', '/api/x/../tags', '/api/tags/.'].map((path) =>
    row(`${path} leads to the path that it means`, get(`${path}?x=1`), {
      status: oneOf(301, 307),
      headers: { location: '/api/tags?x=1' },
    }),
  ),
  row('invalid UTF-8 in a text is replaced, not refused', post('/api/generate', brokenText()), {
    status: 400,
    json: { error: containing('invalid model name') },
  }),
  row('the greeting is plain text', get('/'), { text: 'Ollama is running', type: 'text/plain; charset=utf-8' }),
  row('the greeting has a head', head('/'), { status: 200, text: '' }),
  rowOf(
    'an answer repeats the name of the model as it was sent',
    'completion',
    step(post('/api/generate', { model: ' $model ' }), { status: 200, json: { model: '$model' } }),
    step(post('/api/chat', { model: '$display' }), { status: 200, json: { model: '$display' } }),
    step(post('/api/generate', { model: '$full' }), { status: 200, json: { model: '$full' } }),
  ),
  row('an error has nothing but its words', post('/api/show', { model: 'nobody-has-this' }), {
    json: { error: without('\n'), status: absent, code: absent, statusCode: absent },
  }),
  row('a list is a list when it is empty as well', get('/api/ps'), { json: { models: aList }, text: anything }),
])

function brokenText(): Buffer {
  return Buffer.concat([Buffer.from('{"model":"a'), Buffer.from([0xff, 0xc0]), Buffer.from('b"}')])
}
