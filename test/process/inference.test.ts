/** Three real nodes, one of which holds the model: whichever is asked, the answer is the holder's. */
import { isDeepStrictEqual } from 'node:util'
import type { GenerateResponse } from 'ollama'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { LineStream, textOf } from './support/line-stream.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let b: OmxNode
let c: OmxNode
const nodes = () => [holder, b, c]

const messages = [{ role: 'user', content: 'Tell me a short story.' }]
const options = { temperature: 0, num_predict: 40 }
// Frozen: the client writes into what it is given.
const chat = Object.freeze({ model: 'tiny', messages, options })
const generate = Object.freeze({ model: 'tiny', prompt: 'What is the capital of France?', options })

/** The file and its config: what Ollama's list counts. */
const shownSizeBytes = 1_669_600 + 194

beforeAll(async () => {
  holder = await cluster.start('holder', { holds: true })
  ;[b, c] = (await Promise.all(['b', 'c'].map((name) => cluster.start(name, { join: holder })))) as [OmxNode, OmxNode]
  await Promise.all([b.sees(holder, c), c.sees(holder, b)])
  await Promise.all(nodes().map((node) => node.knowsHolders('tiny', holder)))
})

describe('chat', () => {
  it('gives the same answer at a node that does not hold the model as at the holder', async () => {
    const answers = await Promise.all(nodes().map((node) => node.client.chat({ ...chat })))
    const [first] = answers
    expect(first?.message.role).toBe('assistant')
    expect(first?.message.content.length).toBeGreaterThan(20)
    expect(answers.map(({ message }) => message)).toEqual(answers.map(() => first?.message))
    for (const answer of answers) {
      expect(answer).toMatchObject({ model: 'tiny', done: true })
      expect(answer.done_reason).toMatch(/^(stop|length)$/)
      expectMetrics(answer)
    }
  })

  it('streams token by token from another node, and the pieces are the whole answer', async () => {
    const whole = await holder.client.chat({ ...chat })
    const parts = []
    for await (const part of await b.client.chat({ ...chat, stream: true })) parts.push(part)
    expect(parts.map(({ message }) => message.content).join('')).toBe(whole.message.content)
    expect(parts.length).toBeGreaterThan(10)
    expect(parts.slice(0, -1).every(({ done }) => done === false)).toBe(true)
    const last = parts.at(-1)
    expect(last).toMatchObject({ model: 'tiny', done: true, done_reason: whole.done_reason, message: { content: '' } })
    expect(last?.eval_count).toBe(whole.eval_count)
  })

  it('puts the pieces on the wire as they are made, not all at the end', async () => {
    // Where this process itself stands still for the whole answer, it sees one piece: then another answer shows more.
    await eventually('an answer comes in pieces', async () => {
      const stream = await LineStream.post(b, '/api/chat', { ...chat, options: { ...options, num_predict: 1000 } })
      expect([stream.status, stream.contentType]).toEqual([200, 'application/x-ndjson'])
      await stream.next()
      const during = await holder.engine()
      expect((await stream.rest()).at(-1)?.done).toBe(true)
      expect(during?.state).toMatch(/^ready\./)
      return stream.chunks > 1
    })
  })
})

describe('generate', () => {
  it('gives the same answer everywhere, with the context that continues it', async () => {
    const answers = await Promise.all(nodes().map((node) => node.client.generate({ ...generate })))
    const [first] = answers
    expect(first?.response).toContain('Paris')
    for (const answer of answers) {
      expect(answer.response).toBe(first?.response)
      expect(answer.context).toEqual(first?.context)
      // The marks of the beginning and of the end are counted, and no part of the context.
      expect(answer.context.length).toBe(answer.prompt_eval_count - 1 + answer.eval_count - 1)
      expectMetrics(answer)
    }
    const { context } = first as GenerateResponse
    const [here, there] = await Promise.all(
      [holder, c].map((node) => node.client.generate({ ...generate, prompt: 'And Japan?', context })),
    )
    expect(there?.response).toBe(here?.response)
  })

  it('streams the same text from another node', async () => {
    const whole = await holder.client.generate({ ...generate })
    const stream = await LineStream.post(c, '/api/generate', generate)
    const lines = await stream.rest()
    expect(stream.status).toBe(200)
    expect(textOf(lines)).toBe(whole.response)
    expect(lines.filter(({ done }) => done === true)).toHaveLength(1)
    expect(lines.at(-1)).toMatchObject({ done: true, response: '', eval_count: whole.eval_count })
  })

  it('ends at a stop string and at the number of tokens that was asked for, from every node', async () => {
    for (const node of nodes()) {
      const short = await node.client.generate({ ...generate, options: { temperature: 0, num_predict: 2 } })
      expect([short.eval_count, short.done_reason]).toEqual([2, 'length'])
      const stopped = await node.client.generate({ ...generate, options: { ...options, stop: ['Paris'] } })
      expect(stopped.response).not.toContain('Paris')
      expect(stopped.done_reason).toBe('stop')
    }
  })
})

describe('embeddings', () => {
  it('are the same from every node, one for each input and of length 1', async () => {
    const input = ['a small boat', 'distributed systems']
    const answers = await Promise.all(nodes().map((node) => node.client.embed({ model: 'tiny', input })))
    const [first] = answers
    expect(first?.embeddings).toHaveLength(2)
    expect(first?.embeddings[0]).not.toEqual(first?.embeddings[1])
    for (const { embeddings, model } of answers) {
      expect(model).toBe('tiny')
      expect(embeddings).toEqual(first?.embeddings)
      for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 4)
    }
  })

  it('come from the legacy route as well', async () => {
    const answers = await Promise.all(
      nodes().map((node) => node.client.embeddings({ model: 'tiny', prompt: 'a boat' })),
    )
    expect(answers[0]?.embedding.length).toBeGreaterThan(0)
    expect(answers.map(({ embedding }) => embedding)).toEqual(answers.map(() => answers[0]?.embedding))
  })
})

describe('lists', () => {
  it('show the model once at every node, and what is known of it', async () => {
    const lists = await Promise.all(nodes().map((node) => node.client.list()))
    for (const { models } of lists) {
      expect(models.map(({ name }) => name)).toEqual(['tiny:latest'])
      expect(models[0]).toMatchObject({ size: shownSizeBytes, details: { format: 'gguf', family: 'llama' } })
      expect(models[0]?.digest).toBe(lists[0]?.models[0]?.digest)
    }
    const shown = await Promise.all(nodes().map((node) => node.client.show({ model: 'tiny' })))
    expect(shown[0]?.details.family).toBe('llama')
    expect(shown[0]?.capabilities).toContain('completion')
    expect(shown[2]).toEqual(shown[0])
    await eventually('both know the same', async () => isDeepStrictEqual(await b.models(), await c.models()))
  })

  it('show at every node what is loaded, until it is unloaded by keep_alive 0', async () => {
    await b.client.generate({ model: 'tiny', prompt: '', keep_alive: '10m' })
    for (const node of nodes()) {
      const model = await eventually(`${node.name} shows until when it is loaded`, async () => {
        const { models } = await node.client.ps()
        return models.find(({ expires_at }) => new Date(expires_at).getTime() - Date.now() > 9 * 60_000)
      })
      expect(model.name).toBe('tiny:latest')
      expect(model.size).toBeGreaterThan(1_000_000)
      expect(new Date(model.expires_at).getTime() - Date.now()).toBeLessThanOrEqual(10 * 60_000)
    }
    expect(holder.engineChildren()).toHaveLength(1)
    const answer = await c.client.generate({ model: 'tiny', prompt: '', keep_alive: 0 })
    expect(answer).toMatchObject({ model: 'tiny', response: '', done: true, done_reason: 'unload' })
    for (const node of nodes()) {
      await eventually(`${node.name} shows nothing`, async () => (await node.client.ps()).models.length === 0)
    }
    await eventually('the engine child is gone', () => holder.engineChildren().length === 0)
  })
})

describe('what cannot be answered', () => {
  it('is refused in Ollama’s words at every node', async () => {
    for (const node of nodes()) {
      const unknown = await post(node, '/api/chat', { ...chat, model: 'nobody' })
      expect(unknown).toEqual({ status: 404, text: '{"error":"model \'nobody\' not found"}' })
      const embed = await post(node, '/api/embed', { model: 'nobody', input: 'x' })
      expect(embed.text).toBe('{"error":"model \\"nobody\\" not found, try pulling it first"}')
      const method = await fetch(`${node.url}/api/chat`)
      expect([method.status, await method.text(), method.headers.get('allow')]).toEqual([
        405,
        '405 method not allowed',
        'POST',
      ])
      const route = await fetch(`${node.url}/api/nothing`)
      expect([route.status, await route.text()]).toEqual([404, '404 page not found'])
    }
  })

  it('leaves the node as it was: hostile paths and bodies', async () => {
    const hostile = [
      '/../../etc/passwd',
      '/api/../omx/v1/status/..%2f',
      '/%00',
      '/omx/v1/inspect?peer=%2e%2e%2f',
      '/api/tags%20',
    ]
    for (const path of hostile) {
      const response = await fetch(b.url + path)
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(response.status).toBeLessThan(500)
      await response.arrayBuffer()
    }
    const bodies = [
      '',
      '{',
      '[]',
      '{"model":7}',
      `{"model":"${'x'.repeat(10_000)}"}`,
      '{"model":"../../etc/passwd"}',
      '\0',
    ]
    for (const body of bodies) {
      const response = await fetch(`${b.url}/api/generate`, { method: 'POST', body })
      expect([body.slice(0, 20), response.status]).toEqual([body.slice(0, 20), expect.toSatisfy(isRefusal)])
      expect(Object.keys((await response.json()) as object)).toEqual(['error'])
    }
    expect((await b.client.generate({ ...generate })).response).toContain('Paris')
  })

  it('is also a prompt that is longer than the model’s context, with the same words everywhere', async () => {
    const prompt = 'boat '.repeat(3_000)
    const answers = await Promise.all(
      [holder, b].map((node) =>
        post(node, '/api/generate', { model: 'tiny', prompt, raw: true, shift: false, options }),
      ),
    )
    expect(answers[0]?.status).toBe(400)
    expect(answers[1]).toEqual(answers[0])
  })
})

const isRefusal = (status: number) => status === 400 || status === 404

async function post(node: OmxNode, path: string, body: unknown) {
  const response = await fetch(node.url + path, { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, text: await response.text() }
}

function expectMetrics(
  answer: Pick<
    GenerateResponse,
    'total_duration' | 'load_duration' | 'prompt_eval_count' | 'eval_count' | 'eval_duration'
  >,
) {
  const { total_duration, load_duration, prompt_eval_count, eval_count, eval_duration } = answer
  for (const value of [total_duration, load_duration, prompt_eval_count, eval_count, eval_duration]) {
    expect(value).toSatisfy((count: number) => Number.isInteger(count) && count > 0)
  }
  expect(total_duration).toBeGreaterThanOrEqual(eval_duration)
}
