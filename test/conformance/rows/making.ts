/** Making models: what is refused, how the steps are told, and blobs. */
import { error, head, post, remove, row, rowOf, section, step } from '../row.ts'

const hello = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const created = { status: 200, type: 'application/json', json: { status: 'success' } }

export const makingRows = section('4.4 create', [
  row('a name that is none', post('/api/create', { model: 'a b', from: 'x' }), error(400, 'invalid model name')),
  row(
    'neither a model nor files',
    post('/api/create', { model: '$new' }),
    error(400, "neither 'from' or 'files' was specified"),
  ),
  row(
    'a file name that leads elsewhere',
    post('/api/create', { model: '$new', files: { '../m.gguf': hello } }),
    error(400, 'file path must be relative'),
  ),
  {
    ...rowOf(
      'a model made of another one has what it was given and what it inherits',
      'completion',
      step(post('/api/create', { model: '$new', from: '$model', system: 'Be brief.', stream: false }), created),
      step(post('/api/show', { model: '$new' }), { status: 200, json: { system: 'Be brief.' } }),
      step(remove('/api/delete', { model: '$new' }), { status: 200, text: '' }),
    ),
    leaves: ['$new'],
  },
  {
    ...rowOf(
      'the last step of a stream is success',
      'completion',
      step(post('/api/create', { name: '$new', from: '$model', parameters: { temperature: 0 } }), {
        status: 200,
        type: 'application/x-ndjson',
        last: { status: 'success' },
      }),
    ),
    leaves: ['$new'],
  },
  row(
    'a blob whose digest lies is refused with both digests',
    post(`/api/blobs/sha256:${'1'.repeat(64)}`, 'hello'),
    error(400, `digest mismatch, expected "sha256:${'1'.repeat(64)}", got "${hello}"`),
  ),
  row('a digest that is none is 400 for HEAD too', head('/api/blobs/sha256-abc'), { status: 400 }),
])
