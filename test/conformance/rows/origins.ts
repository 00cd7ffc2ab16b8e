/** Web pages that were invited and others, and the names of this host. */
import { absent, containing } from '../match.ts'
import { get, post, type Row, row, section } from '../row.ts'

const local = 'http://localhost:3000'
const preflight = { origin: local, 'access-control-request-method': 'POST' }

export const originRows: readonly Row[] = section('0 origins', [
  ...['http://evil.example', 'null', 'https://localhost.evil.example', 'chrome-extension://abc'].map((origin) =>
    row(`a page of ${origin} gets 403 and nothing else`, get('/api/version', { origin }), { status: 403, text: '' }),
  ),
  row(
    'a foreign page is refused a POST as well',
    post('/api/generate', { model: 'x' }, { origin: 'http://evil.example' }),
    { status: 403, text: '' },
  ),
  ...[local, 'https://127.0.0.1', 'http://0.0.0.0:8080', 'app://obsidian.md', 'file://', 'tauri://localhost']
    .concat(['vscode-webview://abc', 'vscode-file://x'])
    .map((origin) =>
      row(`a page of ${origin} may read answers`, get('/api/version', { origin }), {
        status: 200,
        headers: { 'access-control-allow-origin': origin, vary: containing('Origin') },
      }),
    ),
  row(
    'a page of this very host needs no permission',
    get('/api/version', { host: 'ollama.local:11434', origin: 'http://ollama.local:11434' }),
    { status: 200, headers: { 'access-control-allow-origin': absent } },
  ),
  row(
    'a preflight of a foreign page is refused',
    { method: 'OPTIONS', path: '/api/chat', headers: { ...preflight, origin: 'http://evil.example' } },
    { status: 403, text: '' },
  ),
  row(
    'OPTIONS without an origin is answered for a name of this host',
    { method: 'OPTIONS', path: '/api/chat', headers: { host: 'localhost' } },
    { status: 204, text: '' },
  ),
  row(
    'OPTIONS without an origin is no method of a route for an address',
    { method: 'OPTIONS', path: '/api/chat', headers: { host: '127.0.0.1' } },
    { status: 405, headers: { allow: 'POST' } },
  ),
  row('no origin, no permission', get('/api/version'), { headers: { 'access-control-allow-origin': absent } }),
  row(
    'a preflight is answered with what is allowed, and for twelve hours',
    { method: 'OPTIONS', path: '/api/chat', headers: preflight },
    {
      status: 204,
      text: '',
      headers: {
        'access-control-allow-origin': local,
        'access-control-allow-methods': 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS',
        'access-control-allow-headers': containing(
          'Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta',
          'X-Stainless-Timeout',
        ),
        'access-control-max-age': '43200',
        vary: containing('Origin', 'Access-Control-Request-Method', 'Access-Control-Request-Headers'),
      },
    },
  ),
  ...['evil.example', 'localhost.evil.example:11434', '8.8.8.8'].map((host) =>
    row(`the host ${host} is not this one`, get('/api/version', { host }), { status: 403, text: '' }),
  ),
  ...['localhost:11434', '127.0.0.1', '[::1]:11434', '192.168.1.5', 'ollama.local', 'host.docker.internal:11434'].map(
    (host) => row(`the host ${host} may be this one`, get('/api/version', { host }), { status: 200 }),
  ),
])
