import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { accepted, done, post, type Running, startFake, streamOf } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

function vector(index: number, ...values: number[]): InferFrame {
  return { kind: 'embedding', index, vector: new Float32Array(values) }
}

const answers = (...frames: InferFrame[]) => {
  node.cluster.answer = (request) =>
    streamOf(request.work.kind === 'load' ? [accepted, done({ reason: 'load' })] : [accepted, ...frames])
}

describe('POST /api/embed', () => {
  const embed = (body: object) => post(`${node.url}/api/embed`, body)

  it('answers the vectors in the order of the texts, whatever order they were computed in', async () => {
    answers(vector(1, 0, 1), vector(0, 1, 0), done())
    const { json, type } = await embed({ model: 'demo', input: ['a', 'b'], dimensions: 2, truncate: false })
    expect(type).toBe('application/json; charset=utf-8')
    expect(Object.keys(json ?? {})).toEqual([
      'model',
      'embeddings',
      'total_duration',
      'load_duration',
      'prompt_eval_count',
    ])
    expect(json?.embeddings).toEqual([
      [1, 0],
      [0, 1],
    ])
    expect(node.cluster.requests[0]?.work).toEqual({
      kind: 'embed',
      input: ['a', 'b'],
      truncate: false,
      dimensions: 2,
      normalize: true,
    })
  })

  it('takes one text as a list of one', async () => {
    answers(vector(0, 0.5), done())
    expect((await embed({ model: 'demo', input: 'a' })).json?.embeddings).toEqual([[0.5]])
  })

  it.each([{}, { input: '' }, { input: [] }, { input: null }])('answers no vectors to %j and loads', async (fields) => {
    const { text } = await embed({ model: 'demo', ...fields })
    expect(text).toBe('{"model":"demo","embeddings":[]}')
    expect(node.cluster.requests[0]?.work).toEqual({ kind: 'load' })
  })

  it.each([
    [{ input: 5 }, 400, 'invalid input type'],
    [{ input: ['a', 5] }, 400, 'invalid input type'],
    [{ input: { a: 1 } }, 400, 'invalid input type'],
    [{ model: '', input: 'a' }, 404, "model '' not found"],
    [{ model: 'absent', input: 'a' }, 404, 'model "absent" not found, try pulling it first'],
    [{ input: Array(8193).fill('a') }, 400, 'input has 8193 texts: send at most 8192 in one request'],
  ])('answers %.60j with %d %s', async (fields, status, error) => {
    const answer = await embed({ model: 'demo', ...fields })
    expect([answer.status, answer.json]).toEqual([status, { error }])
  })

  it('answers thousands of vectors whole and in order', async () => {
    const count = 4_000
    answers(...Array.from({ length: count }, (_, index) => vector(index, index, ...Array(255).fill(0.1))), done())
    const { json } = await embed({ model: 'demo', input: Array(count).fill('a') })
    const firsts = ((json?.embeddings ?? []) as number[][]).map(([first]) => first)
    expect(firsts).toEqual(Array.from({ length: count }, (_, index) => index))
  })

  it('never answers a vector that is not one', async () => {
    answers(vector(0, Number.NaN), done())
    const answer = await embed({ model: 'demo', input: 'a' })
    expect([answer.status, answer.json]).toEqual([400, { error: 'embedding contains NaN or Inf values' }])
  })

  it('answers 500 when the engine leaves one out', async () => {
    answers(vector(0, 1), done())
    const answer = await embed({ model: 'demo', input: ['a', 'b'] })
    expect([answer.status, answer.json]).toEqual([500, { error: 'the engine gave no embedding of input 1' }])
  })

  it("uses Ollama's words for a text that is too long", async () => {
    answers({ kind: 'failed', code: 'context-exceeded', message: '600 tokens, 512 fit' })
    const answer = await embed({ model: 'demo', input: 'a', truncate: false })
    expect([answer.status, answer.json]).toEqual([400, { error: 'the input length exceeds the context length' }])
  })
})

describe('POST /api/embeddings', () => {
  const embeddings = (body: object) => post(`${node.url}/api/embeddings`, body)

  it('answers one vector that is not normalized', async () => {
    answers(vector(0, 3, 4), done())
    expect((await embeddings({ model: 'demo', prompt: 'a' })).text).toBe('{"embedding":[3,4]}')
    expect(node.cluster.requests[0]?.work).toMatchObject({ input: ['a'], normalize: false })
  })

  it('loads and answers no vector to an empty prompt', async () => {
    expect((await embeddings({ model: 'demo' })).text).toBe('{"embedding":[]}')
  })

  it('answers failures with 500, whoever is at fault', async () => {
    answers({ kind: 'failed', code: 'context-exceeded', message: 'too long' })
    const answer = await embeddings({ model: 'demo', prompt: 'a' })
    expect([answer.status, answer.json]).toEqual([500, { error: 'too long' }])
  })

  it('has its own words for names', async () => {
    expect((await embeddings({ prompt: 'a' })).json).toEqual({ error: 'model is required' })
    const absent = await embeddings({ model: 'absent', prompt: 'a' })
    expect([absent.status, absent.json]).toEqual([404, { error: 'model "absent" not found, try pulling it first' }])
  })
})
