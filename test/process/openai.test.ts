/** OpenAI's own client against a node that forwards all it is asked. */
import { join } from 'node:path'
import OpenAI from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownNames, writeOwnModels } from '../conformance/own-models.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let front: OmxNode
let client: OpenAI

const user = (content: string) => [{ role: 'user', content }] as const
/** What the sim engine is told to say. */
const told = (content: string) => [...user(`⟦${content}⟧`)]
const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const weather = { type: 'function', function: { name: 'get_weather', parameters } } as const

beforeAll(async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  const words = ['--sim-tokens-per-second', '100']
  holder = await cluster.start('holder', { engine: 'sim', data, holds: true, words })
  front = await cluster.start('front', { engine: 'sim', join: holder, words })
  await front.sees(holder)
  await Promise.all(ownNames('sim').map((name) => front.knowsHolders(name, holder)))
  client = new OpenAI({ baseURL: `${front.url}/v1`, apiKey: 'none', maxRetries: 0 })
})

describe('chat completions', () => {
  it('come whole and as a stream, with the usage', async () => {
    const whole = await client.chat.completions.create({ model: 'tiny', messages: told('Ahoy there') })
    expect(whole.choices[0]).toMatchObject({
      message: { role: 'assistant', content: 'Ahoy there' },
      finish_reason: 'stop',
    })
    const stream = await client.chat.completions.create({
      model: 'tiny',
      messages: told('Ahoy there'),
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('Ahoy there')
    expect(chunks.at(-1)?.usage).toEqual(whole.usage)
  })

  it('accumulate in the client’s own helper, calls of tools included', async () => {
    const stream = client.chat.completions.stream({ model: 'callers', messages: told(call), tools: [weather] })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    const [made] = choices[0]?.message.tool_calls ?? []
    expect(made).toMatchObject({ type: 'function', function: { name: 'get_weather' } })
    expect(made?.type === 'function' ? JSON.parse(made.function.arguments) : undefined).toEqual({ city: 'Paris' })
  })

  it('go there and back with a tool in the client’s own loop', async () => {
    const asked: string[] = []
    const run = client.chat.completions.runTools(
      {
        model: 'callers',
        messages: told(call),
        tools: [
          {
            type: 'function',
            function: {
              name: 'get_weather',
              parameters,
              description: 'The weather of a city',
              parse: (text: string) => JSON.parse(text) as { city: string },
              function: ({ city }: { city: string }) => {
                asked.push(city)
                return '21 degrees'
              },
            },
          },
        ],
      },
      { maxChatCompletions: 2 },
    )
    await run.done()
    expect(asked[0]).toBe('Paris')
    expect(run.messages.some(({ role }) => role === 'tool')).toBe(true)
  })

  it('are a value of the schema that is asked for', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const { choices } = await client.chat.completions.create({
      model: 'tiny',
      messages: [...user('Which city?')],
      response_format: { type: 'json_schema', json_schema: { name: 'city', schema } },
    })
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ city: expect.any(String) })
  })

  it('that are aborted stop the engine', async () => {
    const stream = await client.chat.completions.create({
      model: 'tiny',
      messages: told('x'.repeat(4_000)),
      stream: true,
    })
    for await (const _chunk of stream) break
    await eventually('nothing is computed', async () =>
      (await holder.actors('node/engines/')).every(({ state }) => state === 'ready.idle'),
    )
  })

  it('that no worker would take are refused here, and the worker thinks no worse of this node', async () => {
    const before = await front.peer(holder)
    const tool_calls = [{ id: 'x'.repeat(600), type: 'function' as const, function: { name: 'f', arguments: '{}' } }]
    const messages = [...user('x'), { role: 'assistant' as const, tool_calls }]
    const refused = client.chat.completions.create({ model: 'tiny', messages })
    await expect(refused).rejects.toMatchObject({ status: 400, message: expect.stringContaining('toolCalls.0.id') })
    const after = await front.peer(holder)
    expect(after?.state).toBe('healthy')
    expect(after?.sinceMs).toBeGreaterThanOrEqual(before?.sinceMs ?? Number.NaN)
    const { choices } = await client.chat.completions.create({ model: 'tiny', messages: told('Ahoy') })
    expect(choices[0]?.message.content).toBe('Ahoy')
  })

  it('that are refused are errors of the client’s own kinds', async () => {
    const refused = client.chat.completions.create({ model: 'nobody', messages: told('x') })
    await expect(refused).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    await expect(client.chat.completions.create({ model: 'tiny', messages: [] })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    )
  })
})

it('completions come whole and as a stream', async () => {
  const whole = await client.completions.create({ model: 'tiny', prompt: '⟦Ahoy⟧' })
  expect(whole.choices[0]).toMatchObject({ text: 'Ahoy', finish_reason: 'stop' })
  let text = ''
  for await (const { choices } of await client.completions.create({ model: 'tiny', prompt: '⟦Ahoy⟧', stream: true })) {
    text += choices[0]?.text ?? ''
  }
  expect(text).toBe('Ahoy')
})

it('embeddings are the same as base64, which the client asks for by itself, and as numbers', async () => {
  const input = ['a', 'b']
  const [encoded, numbers] = await Promise.all([
    client.embeddings.create({ model: 'embedder', input }),
    client.embeddings.create({ model: 'embedder', input, encoding_format: 'float' }),
  ])
  expect(encoded.data).toHaveLength(2)
  encoded.data.forEach(({ embedding }, at) => {
    expect(embedding).toEqual((numbers.data[at]?.embedding ?? []).map(Math.fround))
  })
})

it('models are listed and retrieved', async () => {
  const names = []
  for await (const { id } of client.models.list()) names.push(id)
  expect(names).toContain('tiny:latest')
  expect(await client.models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model' })
  await expect(client.models.retrieve('nobody')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
})

describe('responses', () => {
  it('come whole, and as a stream that the client’s own helper follows', async () => {
    const whole = await client.responses.create({ model: 'tiny', input: '⟦Ahoy there⟧', instructions: 'Be short.' })
    expect(whole).toMatchObject({ status: 'completed', output_text: 'Ahoy there' })
    const stream = client.responses.stream({ model: 'tiny', input: '⟦Ahoy there⟧' })
    let text = ''
    for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
    expect(text).toBe('Ahoy there')
    expect(await stream.finalResponse()).toMatchObject({ status: 'completed', output_text: 'Ahoy there' })
  })

  it('call tools and take their results', async () => {
    const tools = [{ type: 'function', name: 'get_weather', parameters, strict: false } as const]
    const stream = client.responses.stream({ model: 'callers', input: `⟦${call}⟧`, tools })
    const { output } = await stream.finalResponse()
    expect(output).toMatchObject([{ type: 'function_call', name: 'get_weather', status: 'completed' }])
    const [made] = output
    if (made?.type !== 'function_call') throw new Error('no call')
    expect(JSON.parse(made.arguments)).toEqual({ city: 'Paris' })
    const answered = await client.responses.create({
      model: 'callers',
      input: [
        { role: 'user', content: 'Weather?' },
        { type: 'function_call', call_id: made.call_id, name: made.name, arguments: made.arguments },
        { type: 'function_call_output', call_id: made.call_id, output: '21 degrees' },
      ],
      tools,
    })
    expect(answered.status).toBe('completed')
  })

  it('tell thoughts apart from the text', async () => {
    const { output, output_text } = await client.responses.create({
      model: 'thinker',
      input: '⟦<think>hm</think>Yes.⟧',
      reasoning: { effort: 'low' },
    })
    expect(output[0]).toMatchObject({ type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] })
    expect(output_text).toBe('Yes.')
  })
})

it('what no engine can do is refused', async () => {
  const file = new File([new Uint8Array(100)], 'a.wav')
  await expect(client.audio.transcriptions.create({ model: 'tiny', file })).rejects.toThrow('no engine')
})
