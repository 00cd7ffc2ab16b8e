import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accepted, done, held, type Running, startFake, streamOf, token } from '../fake-cluster.ts'
import { eventsOf, sse } from '../sse.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

const asked = () => node.cluster.requests.at(-1)

describe('POST /v1/completions', () => {
  const complete = (body: object) => sse(`${node.url}/v1/completions`, { model: 'demo', prompt: 'Say', ...body })

  it('answers one object, through the template of the model', async () => {
    const { json } = await complete({ max_tokens: 3 })
    expect(json).toMatchObject({
      id: expect.stringMatching(/^cmpl-/),
      object: 'text_completion',
      model: 'demo',
      choices: [{ text: 'Hello <you> & "me"', index: 0, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    })
    expect(asked()).toMatchObject({
      work: { kind: 'generate', prompt: 'Say', raw: false },
      options: { num_predict: 3, temperature: 1, top_p: 1, frequency_penalty: 0, presence_penalty: 0 },
    })
    await complete({ top_p: 0, frequency_penalty: 1 })
    expect(asked()?.options).toMatchObject({ top_p: 1, frequency_penalty: 1 })
  })

  it('streams a chunk for each piece, one for the end, and the usage where it is asked for', async () => {
    const { text } = await complete({ stream: true, stream_options: { include_usage: true } })
    const events = eventsOf(text)
    expect(events.at(-1)).toBe('[DONE]')
    const chunks = events.slice(0, -1).map((data) => JSON.parse(data))
    expect(chunks.map(({ choices }) => [choices[0]?.text, choices[0]?.finish_reason])).toEqual([
      ['Hel', null],
      ['lo', null],
      [' <you> & "me"', null],
      ['', 'stop'],
      [undefined, undefined],
    ])
    expect(chunks[0].usage.total_tokens).toBe(0)
    expect(chunks.at(-1).usage.total_tokens).toBe(8)
  })

  it.each([
    [{ prompt: ['a', 'b'] }, 400, /prompt/],
    [{ suffix: 'x' }, 400, /does not support insert/],
    [{ model: 'nobody' }, 404, /not found/],
  ])('refuses %j', async (body, expected, message) => {
    const { status, json } = await complete(body)
    expect(status).toBe(expected)
    expect(json.error.message).toMatch(message)
  })
})

describe('POST /v1/embeddings', () => {
  const vector = Float32Array.from([0.5, -0.25])
  const embed = (body: object) => sse(`${node.url}/v1/embeddings`, { model: 'demo', ...body })
  beforeEach(() => {
    node.cluster.answer = ({ work }) => {
      const count = work.kind === 'embed' ? work.input.length : 0
      const vectors = Array.from({ length: count }, (_, index) => ({ kind: 'embedding', index, vector }) as const)
      return streamOf([accepted, ...vectors, done({ evalTokens: 0 })])
    }
  })

  it('answers numbers', async () => {
    expect((await embed({ input: ['a', 'b'] })).json).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', embedding: [0.5, -0.25], index: 0 },
        { object: 'embedding', embedding: [0.5, -0.25], index: 1 },
      ],
      model: 'demo',
      usage: { prompt_tokens: 5, total_tokens: 5 },
    })
  })

  it('answers base64 of little-endian floats', async () => {
    const { json } = await embed({ input: 'a', encoding_format: 'base64', dimensions: 2 })
    const bytes = Buffer.from(json.data[0].embedding, 'base64')
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.5, -0.25])
    expect(asked()?.work).toMatchObject({ dimensions: 2, normalize: true })
  })

  it('takes an empty text as a text', async () => {
    expect((await embed({ input: '' })).json.data).toHaveLength(1)
  })

  it.each([
    [{}, 'invalid input'],
    [{ input: [] }, 'invalid input'],
    [{ input: [1, 2] }, 'invalid input type'],
    [
      { input: 'a', encoding_format: 'hex' },
      "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
    ],
  ])('refuses %j', async (body, message) => {
    const { status, json } = await embed(body)
    expect([status, json.error.message]).toEqual([400, message])
  })
})

describe('GET /v1/models', () => {
  const get = async (path: string) => {
    const response = await fetch(node.url + path)
    return { status: response.status, json: (await response.json()) as unknown }
  }

  it('lists the models of the cluster, an empty list where there is none', async () => {
    const row = {
      id: 'demo:latest',
      object: 'model',
      created: Math.floor(held.modifiedAtMs / 1000),
      owned_by: 'library',
    }
    expect((await get('/v1/models')).json).toEqual({ object: 'list', data: [row] })
    node.cluster.heldModels = []
    expect((await get('/v1/models')).json).toEqual({ object: 'list', data: [] })
  })

  it('gives one by its name, as it was named, and 404 for another', async () => {
    expect((await get('/v1/models/demo')).json).toMatchObject({ id: 'demo', object: 'model', owned_by: 'library' })
    node.cluster.find = async (name) =>
      name === 'hf.co/me/thing' ? { ...held, name: 'hf.co/me/thing:latest' } : undefined
    for (const path of ['/v1/models/hf.co/me/thing', '/v1/models/hf.co%2Fme%2Fthing']) {
      expect(await get(path)).toMatchObject({ status: 200, json: { id: 'hf.co/me/thing', owned_by: 'me' } })
    }
    expect(await get('/v1/models/hf.co%2Fme%2Fother')).toMatchObject({
      status: 404,
      json: { error: { type: 'not_found_error' } },
    })
  })
})

it('a stream of completions that is cut short ends with an error', async () => {
  node.cluster.answer = () => streamOf([accepted, token(0, 'Hel')])
  const { text } = await sse(`${node.url}/v1/completions`, { model: 'demo', prompt: 'x', stream: true })
  expect(JSON.parse(eventsOf(text).at(-1) ?? '').error.type).toBe('api_error')
})
