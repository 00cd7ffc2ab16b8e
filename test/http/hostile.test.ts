import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { post, type Running, startFake } from './fake-cluster.ts'

let node: Running
beforeAll(async () => {
  node = await startFake()
})
afterAll(() => node.listener.close())

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const routes = {
  '/api/generate': [
    'model',
    'prompt',
    'suffix',
    'system',
    'template',
    'context',
    'raw',
    'images',
    'stream',
    'options',
  ].concat(['truncate', 'shift', 'logprobs', 'top_logprobs', 'think', 'keep_alive', '_debug_render_only']),
  '/api/chat': [
    'model',
    'messages',
    'tools',
    'stream',
    'options',
    'truncate',
    'shift',
    'logprobs',
    'top_logprobs',
  ].concat(['think', 'keep_alive', '_debug_render_only']),
  '/api/embed': ['model', 'input', 'truncate', 'dimensions', 'options', 'keep_alive'],
  '/api/embeddings': ['model', 'prompt', 'options'],
  '/api/show': ['model', 'name', 'verbose'],
  '/api/copy': ['source', 'destination'],
}
const base = { model: 'demo', prompt: 'hi', messages: [{ role: 'user', content: 'hi' }], input: 'hi' }
/** Fields whose every JSON type means something or is checked by the engine. */
const wrongValues = [5, 'text', true, [], {}, [{}], [[]], [null], 1.5, -1]

const fieldCases = Object.entries(routes).flatMap(([path, fields]) => fields.map((field) => [path, field] as const))

describe('hostile input', () => {
  it.each(fieldCases)(
    '%s answers a wrong type of %s with an error of the client, never a crash',
    async (path, field) => {
      for (const value of wrongValues) {
        const answer = await post(node.url + path, { ...base, stream: false, [field]: value })
        // 500 by an engine that cannot embed: the fake answers text. Anything else below 500 is the route's own judgement.
        if (answer.status >= 500) expect(answer.json?.error).toBe('the engine gave no embedding of input 0')
        else expect([200, 400, 404]).toContain(answer.status)
      }
      expect(node.logged).toEqual([])
    },
  )

  it.each([
    ['an unknown field', `{"model":"demo","x":${deep(100_000)}}`, 200],
    ['a message', `{"model":"demo","messages":${deep(100_000)}}`, 400],
    ['a tool', `{"model":"demo","messages":[],"tools":${deep(100_000)}}`, 400],
    ['the options', `{"model":"demo","options":{"stop":${deep(100_000)}}}`, 400],
    ['the whole body', deep(100_000), 400],
    ['an unclosed body', '['.repeat(1_000_000), 400],
  ])('answers nesting without end in %s', async (_, body, status) => {
    expect((await post(`${node.url}/api/chat`, body)).status).toBe(status)
  })

  it('bounds the messages of a conversation, the length of a role and the number of options', async () => {
    const messages = Array(8_193).fill({ role: 'user', content: '' })
    expect((await post(`${node.url}/api/chat`, { ...base, messages })).json).toEqual({
      error: 'there are 8193 messages: send at most 8192 in one request',
    })
    const roles = [{ role: 'r'.repeat(513), content: '' }]
    expect((await post(`${node.url}/api/chat`, { ...base, messages: roles })).status).toBe(400)
    const options = Object.fromEntries(Array.from({ length: 129 }, (_, at) => [`o${at}`, 1]))
    expect((await post(`${node.url}/api/generate`, { ...base, options })).json).toEqual({
      error: 'options must not have more than 128 names',
    })
  })

  it('answers huge keys and a million of them', async () => {
    const keys = Array.from({ length: 200_000 }, (_, at) => `"k${at}":0`).join()
    const answer = await post(`${node.url}/api/chat`, `{"${'k'.repeat(5_000_000)}":1,${keys},"model":"demo"}`)
    expect(answer.json).toMatchObject({ done_reason: 'load' })
  })

  it('shortens a wrong value that it repeats', async () => {
    const answer = await post(`${node.url}/api/generate`, { ...base, format: 'x'.repeat(1_000_000) })
    expect(answer.text.length).toBeLessThan(400)
  })

  it('answers every JSON body with JSON and without a defect', async () => {
    const body = fc.oneof(
      fc.json(),
      fc
        .dictionary(fc.constantFrom(...Object.values(routes).flat()), fc.jsonValue())
        .map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(routes)), body, async (path, text) => {
        const { status, lines } = await post(node.url + path, text)
        expect(lines.length).toBeGreaterThan(0)
        if (status !== 200) expect(lines[0]).toEqual({ error: expect.any(String) })
      }),
      { numRuns: 200 },
    )
    expect(node.logged).toEqual([])
  })
})
