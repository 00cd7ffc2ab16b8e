/** Making models: what is refused, how the steps are told, and blobs. */
import { createHash } from 'node:crypto'
import { absent, oneOf } from '../match.ts'
import { error, head, post, remove, row, rowOf, section, step } from '../row.ts'

const hello = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const created = { status: 200, type: 'application/json', json: { status: 'success' } }

/** A number of eight bytes. */
function long(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const text = (value: string): Buffer => Buffer.concat([long(Buffer.byteLength(value)), Buffer.from(value)])
const magicAndVersion = Buffer.from('4747554603000000', 'hex')
const stringType = Buffer.from('08000000', 'hex')

/** A model as small as can be: no tensors, and keys that are texts. */
function modelOf(keys: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(keys).flatMap(([key, value]) => [text(key), stringType, text(value)])
  return Buffer.concat([magicAndVersion, long(0), long(pairs.length / 3), ...pairs])
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const file = modelOf({ 'general.architecture': 'llama' })
const fileDigest = digestOf(file)

const chatml = modelOf({
  'general.architecture': 'llama',
  'tokenizer.chat_template':
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
})

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
    title: 'a model made of a file whose chat template is a known one has the Go template, and what ends an answer',
    steps: [
      step(post(`/api/blobs/${digestOf(chatml)}`, chatml), { status: oneOf(200, 201), text: '' }),
      step(post('/api/create', { model: '$new', files: { 'm.gguf': digestOf(chatml) } }), {
        status: 200,
        text: /using existing layer sha256:[0-9a-f]{64}"\}\n\{"status":"using autodetected template chatml"/,
      }),
      step(post('/api/show', { model: '$new' }), {
        status: 200,
        json: {
          template: /range \.Messages \}\}<\|im_start\|>\{\{ \.Role \}\}\n/,
          parameters: /^stop +"<\|im_start\|>"\nstop +"<\|im_end\|>"$/,
        },
      }),
    ],
    leaves: ['$new'],
  },
  {
    ...rowOf(
      'messages of a model are taken with images and tool calls, and shown with role and content',
      'completion',
      step(
        post('/api/create', {
          model: '$new',
          from: '$model',
          messages: [
            { role: 'USER', content: 'look', images: ['AQID'] },
            { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: { b: 1 } } }] },
          ],
          stream: false,
        }),
        created,
      ),
      step(post('/api/show', { model: '$new' }), {
        status: 200,
        json: {
          messages: [
            { role: 'user', content: 'look', images: absent },
            { role: 'assistant', content: '', tool_calls: absent },
          ],
        },
      }),
    ),
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
