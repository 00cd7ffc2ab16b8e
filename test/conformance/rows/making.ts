/** Making models: what is refused, how the steps are told, and blobs. */
import { createHash } from 'node:crypto'
import { oneOf } from '../match.ts'
import { error, head, post, remove, row, rowOf, section, step } from '../row.ts'

const hello = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const created = { status: 200, type: 'application/json', json: { status: 'success' } }

/** The smallest model: version 3, no tensors, and one key, which is its architecture. */
const file = Buffer.from(
  [
    ['47475546', '03000000', '0000000000000000', '0100000000000000'], // GGUF, version, tensors, keys
    ['1400000000000000', Buffer.from('general.architecture').toString('hex')],
    ['08000000', '0500000000000000', Buffer.from('llama').toString('hex')],
  ]
    .flat()
    .join(''),
  'hex',
)
const fileDigest = `sha256:${createHash('sha256').update(file).digest('hex')}`

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
    title: 'a model made of an uploaded file, and another one made of that, have what they were given',
    steps: [
      step(post(`/api/blobs/${fileDigest}`, file), { status: oneOf(200, 201), text: '' }),
      step(
        post('/api/create', { model: '$new', files: { 'm.gguf': fileDigest }, license: 'MIT', stream: false }),
        created,
      ),
      step(post('/api/create', { name: '$new', from: '$new', system: 'Be brief.' }), {
        status: 200,
        type: 'application/x-ndjson',
        last: { status: 'success' },
      }),
      step(post('/api/show', { model: '$new' }), { status: 200, json: { system: 'Be brief.', license: 'MIT' } }),
      step(head(`/api/blobs/${fileDigest}`), { status: 200 }),
    ],
    leaves: ['$new'],
  },
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
