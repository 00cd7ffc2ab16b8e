/** Every method of the official client against a node that forwards all it is asked. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownNames, writeOwnModels } from '../conformance/own-models.ts'
import { weather } from '../conformance/shapes.ts'
import { eventually } from '../support/eventually.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let front: OmxNode

const user = (content: string) => [{ role: 'user', content }]
/** What the sim engine is told to say. */
const told = (content: string) => user(`⟦${content}⟧`)
const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'

beforeAll(async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  const words = ['--sim-tokens-per-second', '100']
  holder = await cluster.start('holder', { engine: 'sim', data, holds: true, words })
  front = await cluster.start('front', { engine: 'sim', join: holder, words })
  await front.sees(holder)
  await Promise.all(ownNames('sim').map((name) => front.knowsHolders(name, holder)))
})

describe('the official client', () => {
  it('completes, as a whole and as a stream', async () => {
    const whole = await front.client.generate({ model: 'tiny', prompt: '⟦Hello you⟧' })
    expect(whole).toMatchObject({ model: 'tiny', response: 'Hello you', done: true, done_reason: 'stop' })
    const parts = []
    for await (const part of await front.client.generate({ model: 'tiny', prompt: '⟦Hello you⟧', stream: true })) {
      parts.push(part)
    }
    expect(parts.map(({ response }) => response).join('')).toBe('Hello you')
    expect(parts.at(-1)).toMatchObject({ done: true, context: expect.any(Array), eval_count: whole.eval_count })
  })

  it('chats, as a whole and as a stream', async () => {
    const whole = await front.client.chat({ model: 'tiny', messages: told('Ahoy') })
    expect(whole.message).toEqual({ role: 'assistant', content: 'Ahoy' })
    let said = ''
    for await (const { message } of await front.client.chat({ model: 'tiny', messages: told('Ahoy'), stream: true })) {
      said += message.content
    }
    expect(said).toBe('Ahoy')
  })

  it('hands tools over and gets calls with arguments, as a whole and as a stream', async () => {
    const request = { model: 'callers', messages: told(call), tools: [weather] }
    const { message } = await front.client.chat({ ...request })
    expect(message.tool_calls).toMatchObject([{ function: { name: 'get_weather', arguments: { city: 'Paris' } } }])
    const calls = []
    for await (const part of await front.client.chat({ ...request, stream: true })) {
      calls.push(...(part.message.tool_calls ?? []))
      expect(part.message.content).toBe('')
    }
    expect(calls).toMatchObject([{ function: { name: 'get_weather', arguments: { city: 'Paris' } } }])
    const answered = await front.client.chat({
      model: 'callers',
      messages: [...user('Weather?'), message, { role: 'tool', content: '21 degrees', tool_name: 'get_weather' }],
      tools: [weather],
    })
    expect(answered.done).toBe(true)
  })

  it('gets thoughts apart from the answer', async () => {
    const messages = told('<think>hm</think>Yes.')
    const whole = await front.client.chat({ model: 'thinker', messages, think: true })
    expect(whole.message).toMatchObject({ thinking: 'hm', content: 'Yes.' })
    const [thoughts, answer] = [[] as string[], [] as string[]]
    for await (const { message } of await front.client.chat({
      model: 'thinker',
      messages,
      think: true,
      stream: true,
    })) {
      thoughts.push(message.thinking ?? '')
      answer.push(message.content)
    }
    expect([thoughts.join(''), answer.join('')]).toEqual(['hm', 'Yes.'])
  })

  it('gets a value of the schema that it asks for', async () => {
    const format = {
      type: 'object',
      properties: { city: { type: 'string' }, people: { type: 'integer' } },
      required: ['city', 'people'],
    }
    const { message } = await front.client.chat({ model: 'tiny', messages: user('Paris?'), format })
    expect(JSON.parse(message.content)).toEqual({ city: expect.any(String), people: expect.any(Number) })
    const { response } = await front.client.generate({ model: 'tiny', prompt: 'Paris?', format: 'json' })
    expect(JSON.parse(response ?? '')).toBeTypeOf('object')
  })

  it('makes vectors, many and one', async () => {
    const { embeddings } = await front.client.embed({ model: 'embedder', input: ['a', 'b'] })
    expect(embeddings).toHaveLength(2)
    const { embedding } = await front.client.embeddings({ model: 'embedder', prompt: 'a' })
    expect(embedding.length).toBe(embeddings[0]?.length)
  })

  it('lists, shows, copies and deletes', async () => {
    const names = async () => (await front.client.list()).models.map(({ name }) => name)
    expect((await names()).sort()).toEqual(
      ownNames('sim')
        .map((name) => `${name}:latest`)
        .sort(),
    )
    expect((await front.client.show({ model: 'stocked' })).system).toBe('You are a lighthouse.')
    expect(await front.client.copy({ source: 'stocked', destination: 'twin' })).toEqual({ status: 'success' })
    expect(await names()).toContain('twin:latest')
    expect(await front.client.delete({ model: 'twin' })).toEqual({ status: 'success' })
    expect(await names()).not.toContain('twin:latest')
    await expect(front.client.delete({ model: 'twin' })).rejects.toThrow("model 'twin' not found")
  })

  it('makes a model of a file and of another one, which every node then has', async () => {
    const { client, url } = holder
    const bytes = readFileSync(tinyGguf)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const sent = await fetch(`${url}/api/blobs/${digest}`, { method: 'POST', body: bytes })
    expect(sent.ok).toBe(true)
    const made = await fetch(`${url}/api/create`, {
      method: 'POST',
      body: JSON.stringify({ model: 'made', files: { 'tiny.gguf': digest }, stream: false }),
    })
    expect(await made.json()).toEqual({ status: 'success' })
    const steps = []
    const request = { model: 'next', from: 'made', system: 'Be brief.', parameters: { temperature: 0 } }
    for await (const { status } of await client.create({ ...request, stream: true })) steps.push(status)
    expect(steps.slice(-2)).toEqual(['writing manifest', 'success'])
    expect((await client.list()).models.map(({ name }) => name)).toContain('next:latest')
    await front.knowsHolders('next', holder)
    expect((await front.client.show({ model: 'next' })).system).toBe('Be brief.')
    for (const model of ['made', 'next']) await holder.client.delete({ model })
  })

  it('loads, sees what is loaded, and unloads', async () => {
    await front.client.generate({ model: 'seer', prompt: '', keep_alive: '10m' })
    const isListed = async () => (await front.client.ps()).models.some(({ name }) => name === 'seer:latest')
    await eventually('the model is listed', isListed)
    expect(await front.client.chat({ model: 'seer', messages: [], keep_alive: 0 })).toMatchObject({
      done_reason: 'unload',
    })
    await eventually('the model is gone', async () => !(await isListed()))
  })

  it('makes a model of another one, which is there at once', async () => {
    const steps = []
    const request = { model: 'sailor', from: 'stocked', system: 'You are a sailor.', stream: true } as const
    for await (const { status } of await holder.client.create(request)) steps.push(status)
    expect(steps.at(-1)).toBe('success')
    expect((await holder.client.show({ model: 'sailor' })).system).toBe('You are a sailor.')
    await front.knowsHolders('sailor', holder)
    expect((await front.client.chat({ model: 'sailor', messages: told('Ahoy') })).message.content).toBe('Ahoy')
    await front.client.delete({ model: 'sailor' })
  })

  it('reads the version', async () => {
    expect((await front.client.version()).version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('aborts one stream, and the engine is free at once while another goes on', async () => {
    const endless = {
      model: 'tiny',
      messages: user('Say much.'),
      options: { num_predict: 2_000 },
      stream: true,
    } as const
    const [left, kept] = await Promise.all([
      front.client.chat({ ...endless, messages: told('x'.repeat(1_500)) }),
      front.client.chat({ ...endless, messages: told('y'.repeat(200)) }),
    ])
    const read = (async () => {
      for await (const _part of left) left.abort()
    })()
    await expect(read).rejects.toThrow('aborted')
    let said = ''
    for await (const { message } of kept) said += message.content
    expect(said).toBe('y'.repeat(200))
    await eventually('nothing is computed', async () =>
      (await holder.actors('node/engines/')).every(({ state }) => state === 'ready.idle'),
    )
  })

  it('aborts all that it has under way', async () => {
    const stream = await front.client.generate({ model: 'tiny', prompt: `⟦${'x'.repeat(1_500)}⟧`, stream: true })
    const read = (async () => {
      for await (const _part of stream) front.client.abort()
    })()
    await expect(read).rejects.toThrow('aborted')
    expect((await front.client.generate({ model: 'tiny', prompt: '⟦still here⟧' })).response).toBe('still here')
  })
})
