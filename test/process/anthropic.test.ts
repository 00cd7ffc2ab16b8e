/** Anthropic's own client against a node that forwards all it is asked. */
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownNames, writeOwnModels } from '../conformance/own-models.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let client: Anthropic

const told = (content: string) => [{ role: 'user', content: `⟦${content}⟧` } as const]
const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'
const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'The weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const max_tokens = 8_000

beforeAll(async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  const words = ['--sim-tokens-per-second', '100']
  holder = await cluster.start('holder', { engine: 'sim', data, holds: true, words })
  const front = await cluster.start('front', { engine: 'sim', join: holder, words })
  await front.sees(holder)
  await Promise.all(ownNames('sim').map((name) => front.knowsHolders(name, holder)))
  client = new Anthropic({ baseURL: front.url, apiKey: 'none', maxRetries: 0 })
})

describe('messages', () => {
  it('come whole, and as a stream that the client accumulates to the same', async () => {
    const whole = await client.messages.create({ model: 'tiny', max_tokens, messages: told('Ahoy there') })
    expect(whole).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'Ahoy there' }],
      stop_reason: 'end_turn',
    })
    const stream = client.messages.stream({ model: 'tiny', max_tokens, messages: told('Ahoy there') })
    let text = ''
    stream.on('text', (delta) => {
      text += delta
    })
    const final = await stream.finalMessage()
    expect(text).toBe('Ahoy there')
    expect(final.content).toEqual([{ type: 'text', text: 'Ahoy there' }])
    expect(final.usage.output_tokens).toBe(whole.usage.output_tokens)
  })

  it('call tools, and take their results', async () => {
    const stream = client.messages.stream({ model: 'callers', max_tokens, messages: told(call), tools: [weather] })
    const { content, stop_reason } = await stream.finalMessage()
    expect(stop_reason).toBe('tool_use')
    expect(content).toMatchObject([{ type: 'tool_use', name: 'get_weather', input: { city: 'Paris' } }])
    const [use] = content
    if (use?.type !== 'tool_use') throw new Error('no call')
    const answered = await client.messages.create({
      model: 'callers',
      max_tokens: 8,
      system: [{ type: 'text', text: 'Be short.' }],
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: '21 degrees' }] },
      ],
      tools: [weather],
    })
    expect(answered.content).toMatchObject([{ type: 'text' }])
  })

  it('tell thoughts apart from the text', async () => {
    const messages = told('<think>hm</think>Yes.')
    const thinking = { type: 'enabled', budget_tokens: 1024 } as const
    const stream = client.messages.stream({ model: 'thinker', max_tokens, messages, thinking })
    expect((await stream.finalMessage()).content).toMatchObject([
      { type: 'thinking', thinking: 'hm' },
      { type: 'text', text: 'Yes.' },
    ])
  })

  it('of a model that cannot think come without thoughts, where they are asked for', async () => {
    const thinking = { type: 'enabled', budget_tokens: 1024 } as const
    const { content } = await client.messages.create({ model: 'tiny', max_tokens, messages: told('Yes.'), thinking })
    expect(content).toEqual([{ type: 'text', text: 'Yes.' }])
  })

  it('are counted before they are asked, tools included, to the same number as after', async () => {
    const asked = { model: 'callers', messages: told('x'), tools: [weather] }
    const { input_tokens } = await client.messages.countTokens(asked)
    const { usage } = await client.messages.create({ ...asked, max_tokens })
    expect(input_tokens).toBe(usage.input_tokens)
  })

  it('end where they were told to', async () => {
    const { stop_reason } = await client.messages.create({
      model: 'tiny',
      max_tokens: 3,
      messages: told('x'.repeat(99)),
    })
    expect(stop_reason).toBe('max_tokens')
  })

  it('that are aborted stop the engine', async () => {
    const stream = client.messages.stream({ model: 'tiny', max_tokens, messages: told('x'.repeat(4_000)) })
    stream.on('text', () => stream.abort())
    await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError)
    await eventually('nothing is computed', async () =>
      (await holder.actors('node/engines/')).every(({ state }) => state === 'ready.idle'),
    )
  })

  it('that are refused are errors of the client’s own kinds', async () => {
    const refused = client.messages.create({ model: 'nobody', max_tokens, messages: told('x') })
    await expect(refused).rejects.toBeInstanceOf(Anthropic.NotFoundError)
    const unlimited = client.messages.create({ model: 'tiny', max_tokens: 0, messages: told('x') })
    await expect(unlimited).rejects.toThrow('max_tokens is required and must be positive')
  })
})
