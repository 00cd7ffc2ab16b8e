import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Catalog, openCatalog } from '../../src/store/catalog.ts'
import { ggufBytes, temporaryFolder, tinyHex, tinyPath } from '../store/fixtures.ts'
import { type Running, startFake } from './fake-cluster.ts'
import { makerIn } from './store-maker.ts'

let node: Running
let catalog: Catalog
beforeEach(async () => {
  node = await startFake()
  const folder = await temporaryFolder()
  node.cluster.maker = await makerIn(folder)
  catalog = await openCatalog(folder)
})
afterEach(() => node.listener.close())

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function blob(bytes: Uint8Array): Promise<string> {
  const digest = digestOf(bytes)
  await fetch(`${node.url}/api/blobs/${digest}`, { method: 'POST', body: bytes as NonNullable<RequestInit['body']> })
  return digest
}

async function create(body: object) {
  const response = await fetch(`${node.url}/api/create`, { method: 'POST', body: JSON.stringify(body) })
  const text = await response.text()
  const lines = text.split('\n').filter((line) => line !== '')
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    text,
    lines: lines.map((line) => JSON.parse(line) as { status?: string; error?: string }),
  }
}

const tiny = () => readFile(tinyPath).then(blob)
const adapter = ggufBytes({ 'general.architecture': 'llama', 'general.type': 'adapter', 'adapter.type': 'lora' })
const otherAdapter = Buffer.concat([adapter, Buffer.alloc(32)])

/** Digests of what an engine is given beside the weights. */
async function adaptersOf(name: string): Promise<string[]> {
  const held = (await catalog.list()).find((model) => model.name === `${name}:latest`)
  const { adapters = [] } = (await catalog.find(held?.digest ?? '')) ?? {}
  return adapters.map((path) => path.replace(/^.*sha256-/, 'sha256:'))
}

describe('POST /api/create', () => {
  it('tells its steps as lines in the order of the reference', async () => {
    const made = await create({ model: 'mine', files: { 'tiny.gguf': await tiny() }, system: 'Be brief.' })
    // Byte by byte what Ollama writes.
    const stops = `${String.raw`{"stop":["\u003c|im_start|\u003e","\u003c|im_end|\u003e"]}`}\n`
    expect([made.status, made.type]).toEqual([200, 'application/x-ndjson'])
    expect(made.lines.map(({ status }) => status)).toEqual([
      'parsing GGUF',
      `using existing layer sha256:${tinyHex}`,
      'using autodetected template chatml',
      `creating new layer ${digestOf(Buffer.from('Be brief.'))}`,
      `creating new layer ${digestOf(Buffer.from(stops))}`,
      'writing manifest',
      'success',
    ])
    expect(await catalog.show('mine', false)).toMatchObject({ system: 'Be brief.', details: { family: 'llama' } })
  })

  it('answers success alone where no stream is wanted', async () => {
    const made = await create({ name: 'mine', files: { 'tiny.gguf': await tiny() }, stream: false })
    expect([made.status, made.type, made.text]).toEqual([200, 'application/json', '{"status":"success"}'])
  })

  it('takes licences as a text or a list, and every text of the request', async () => {
    const parameters = { stop: ['<end>'], temperature: 0.5 }
    const messages = [{ role: 'USER', content: 'Who?' }]
    const files = { 'tiny.gguf': await tiny() }
    const texts = { template: '{{ .Prompt }}', license: ['MIT', 'Apache'], requires: '0.9.0' }
    expect((await create({ model: 'mine', files, parameters, messages, ...texts })).status).toBe(200)
    expect((await create({ model: 'yours', from: 'mine', license: 'GPL' })).status).toBe(200)
    expect(await catalog.show('yours', false)).toMatchObject({
      ...{ license: 'MIT\nApache\nGPL', template: '{{ .Prompt }}', requires: '0.9.0' },
      messages: [{ role: 'user', content: 'Who?' }],
      parameters: expect.stringMatching(/stop +"<end>"\ntemperature +0\.5/),
    })
  })

  it.each([
    ['a name that is none', { model: 'a b', from: 'x' }, 'invalid model name'],
    ['a name that climbs', { model: '../../etc/passwd', from: 'x' }, 'invalid model name'],
    ['no name', { from: 'x' }, 'invalid model name'],
    ['neither a model nor files', { model: 'x' }, "neither 'from' or 'files' was specified"],
    ['no files', { model: 'x', files: {} }, 'no files provided to convert'],
    ['a file that climbs', { model: 'x', files: { '../m.gguf': 'sha256:1' } }, 'file path must be relative'],
    ['a file from the root', { model: 'x', files: { '/m.gguf': 'sha256:1' } }, 'file path must be relative'],
    ['an adapter that climbs', { model: 'x', from: 'y', adapters: { 'a/../b': '' } }, 'file path must be relative'],
    ['a digest that is none', { model: 'x', files: { 'm.gguf': '' } }, 'invalid digest format'],
    ['a base that is not here', { model: 'x', from: 'nobody' }, "model 'nobody:latest' not found"],
    ['a base that is no name', { model: 'x', from: 'a b' }, 'invalid model name'],
    ['a bad template', { model: 'x', from: 'y', template: '{{ .Prompt' }, /^template error: /],
    ['safetensors', { model: 'x', files: { 'm.safetensors': '' } }, /^m\.safetensors: .* convert_hf_to_gguf\.py/],
    ['a draft', { model: 'x', from: 'y', draft_files: { a: 'b' } }, /draft_files/],
    ['an image that is none', { model: 'x', from: 'y', messages: [{ role: 'a', images: ['?'] }] }, /^illegal base64/],
    ['a message of nobody', { model: 'x', from: 'y', messages: [{ content: 'a' }] }, /role/],
  ])('refuses %s with a status', async (_what, body, words) => {
    for (const stream of [true, false]) {
      const refused = await create({ ...body, stream })
      expect([refused.status, refused.type]).toEqual([400, 'application/json'])
      if (typeof words === 'string') expect(refused.lines).toEqual([{ error: words }])
      else expect(refused.lines[0]?.error).toMatch(words)
    }
    expect(await catalog.list()).toEqual([])
  })

  it('refuses a blob that was never sent, naming where to send it', async () => {
    const digest = `sha256:${'0'.repeat(64)}`
    const refused = await create({ model: 'x', files: { 'm.gguf': digest } })
    expect(refused.lines[0]?.error).toBe(`blob ${digest} of m.gguf is not here: send it to /api/blobs/${digest} first`)
  })

  it('refuses files that are no GGUF in words that depend on their names', async () => {
    const digest = await blob(Buffer.from('no model at all'))
    expect((await create({ model: 'x', files: { 'm.gguf': digest } })).lines).toEqual([
      { error: 'supplied file was not in GGUF format' },
    ])
    expect((await create({ model: 'x', files: { readme: digest } })).lines).toEqual([{ error: 'unknown type' }])
  })

  it('takes an adapter and refuses two, and a model for one', async () => {
    const files = { 'm.gguf': await tiny() }
    const digest = await blob(adapter)
    const two = await create({ model: 'x', files, adapters: { 'a.gguf': digest, 'b.gguf': digest } })
    expect(two.lines.at(-1)?.error).toBe('only one adapter is currently supported')
    const wrong = await create({ model: 'x', files, adapters: files })
    expect(wrong.lines.at(-1)?.error).toMatch(/^m\.gguf is not an adapter/)
    expect((await create({ model: 'x', files: { 'a.gguf': digest } })).lines.at(-1)?.error).toMatch(/give it as one/)
    const made = await create({ model: 'x', files, adapters: { 'a.gguf': digest } })
    expect(made.lines.map(({ status }) => status)).toContain(`using existing layer ${digest}`)
    expect(String((await catalog.show('x', false))?.modelfile)).toMatch(/^ADAPTER .*sha256-/m)
  })

  it('gives a model its adapter beside those of its base, each of them once', async () => {
    const [first, second] = [await blob(adapter), await blob(otherAdapter)]
    const made = [
      await create({ model: 'x', files: { 'm.gguf': await tiny() }, adapters: { 'a.gguf': first } }),
      await create({ model: 'y', from: 'x', adapters: { 'b.gguf': second } }),
      await create({ model: 'z', from: 'y', adapters: { 'a.gguf': first } }),
      await create({ model: 'plain', from: 'x', system: 'Be brief.' }),
    ]
    expect(made.map(({ lines }) => lines.at(-1)?.status)).toEqual(made.map(() => 'success'))
    expect(await adaptersOf('x')).toEqual([first])
    expect(await adaptersOf('y')).toEqual([first, second])
    expect(await adaptersOf('z')).toEqual([second, first])
    expect(await adaptersOf('plain')).toEqual([first])
  })

  it.each([
    ['Q9', 'unsupported quantization type Q9 - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0'],
    ['q4_K_M', 'quantization is only supported for F16, BF16 and F32 models'],
  ])('refuses to quantize a Q8_0 model to %s', async (quantize, error) => {
    const files = { 'm.gguf': await tiny() }
    expect((await create({ model: 'x', files, quantize })).lines.at(-1)).toEqual({ error })
  })

  it('says who can quantize, and takes what is kept as it is wanted already', async () => {
    const values = { 'general.architecture': 'llama', 'general.file_type': 1 }
    const files = { 'm.gguf': await blob(ggufBytes(values)) }
    expect((await create({ model: 'x', files, quantize: 'q4_K_M' })).lines.at(-1)?.error).toMatch(/llama-quantize/)
    expect((await create({ model: 'x', files, quantize: 'f16' })).lines.at(-1)).toEqual({ status: 'success' })
  })
})
