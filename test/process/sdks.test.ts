/** Frameworks that speak to Ollama or to OpenAI, against a node that forwards all it is asked. */
import { join } from 'node:path'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { ChatOllama, OllamaEmbeddings } from '@langchain/ollama'
import { ChatOpenAI } from '@langchain/openai'
import { embed, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { createOllama } from 'ai-sdk-ollama'
import { Ollama } from 'ollama'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownNames, writeOwnModels } from '../conformance/own-models.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let front: OmxNode

const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const
const weather = { type: 'function', function: { name: 'get_weather', description: 'Weather', parameters } } as const

beforeAll(async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  const words = ['--sim-tokens-per-second', '100']
  holder = await cluster.start('holder', { engine: 'sim', data, holds: true, words })
  front = await cluster.start('front', { engine: 'sim', join: holder, words })
  await front.sees(holder)
  await Promise.all(ownNames('sim').map((name) => front.knowsHolders(name, holder)))
})

const nothingIsComputed = () =>
  eventually('nothing is computed', async () =>
    (await holder.actors('node/engines/')).every(({ state }) => state === 'ready.idle'),
  )

describe.each([
  {
    title: 'ai-sdk-ollama',
    provider: () => createOllama({ baseURL: front.url }),
    // Its signal does not reach the client that it is built on, whose own way to abort is what its users have.
    abortable: () => {
      const client = new Ollama({ host: front.url })
      return { provider: createOllama({ client }), abort: () => client.abort() }
    },
  },
  {
    title: 'the OpenAI-compatible provider of the AI SDK',
    provider: () => createOpenAICompatible({ name: 'omx', baseURL: `${front.url}/v1` }),
    abortable: () => ({
      provider: createOpenAICompatible({ name: 'omx', baseURL: `${front.url}/v1` }),
      abort: (controller: AbortController) => controller.abort(),
    }),
  },
])('$title', ({ provider, abortable }) => {
  it('generates and streams', async () => {
    const model = provider()('tiny')
    expect((await generateText({ model, prompt: '⟦Ahoy there⟧' })).text).toBe('Ahoy there')
    let text = ''
    for await (const part of streamText({ model, prompt: '⟦Ahoy there⟧' }).textStream) text += part
    expect(text).toBe('Ahoy there')
  })

  it('takes a tool there and back', async () => {
    const asked: string[] = []
    const get_weather = tool({
      description: 'Weather',
      inputSchema: jsonSchema<{ city: string }>({ ...parameters, required: ['city'] }),
      execute: async ({ city }) => {
        asked.push(city)
        return '21 degrees'
      },
    })
    const { steps } = await generateText({
      model: provider()('callers'),
      prompt: `⟦${call}⟧`,
      tools: { get_weather },
      stopWhen: stepCountIs(2),
      maxOutputTokens: 200,
    })
    // The second step has what the tool said, and is asked the same once more.
    expect(asked).toEqual(['Paris', 'Paris'])
    expect(steps).toHaveLength(2)
  })

  it('aborts', async () => {
    const controller = new AbortController()
    const { provider: own, abort } = abortable()
    const { textStream } = streamText({
      model: own('tiny'),
      prompt: `⟦${'x'.repeat(20_000)}⟧`,
      abortSignal: controller.signal,
      onError: () => {},
    })
    for await (const _part of textStream) {
      abort(controller)
      break
    }
    await nothingIsComputed()
  })

  it('embeds', async () => {
    const own = provider()
    const model = 'textEmbeddingModel' in own ? own.textEmbeddingModel('embedder') : undefined
    if (model === undefined) throw new Error('this provider embeds nothing')
    expect((await embed({ model, value: 'a' })).embedding.length).toBeGreaterThan(0)
  })
})

describe.each([
  { title: '@langchain/ollama', open: (model: string) => new ChatOllama({ model, baseUrl: front.url }) },
  {
    title: '@langchain/openai',
    open: (model: string) => new ChatOpenAI({ model, apiKey: 'none', configuration: { baseURL: `${front.url}/v1` } }),
  },
])('$title', ({ open }) => {
  it('invokes and streams', async () => {
    expect((await open('tiny').invoke('⟦Ahoy there⟧')).content).toBe('Ahoy there')
    let text = ''
    for await (const chunk of await open('tiny').stream('⟦Ahoy there⟧')) text += chunk.content
    expect(text).toBe('Ahoy there')
  })

  it('takes a tool there and back', async () => {
    const model = open('callers').bindTools([weather])
    const question = new HumanMessage(`⟦${call}⟧`)
    const called = await model.invoke([question])
    expect(called.tool_calls).toMatchObject([{ name: 'get_weather', args: { city: 'Paris' } }])
    const result = new ToolMessage({ content: '⟦21 degrees⟧', tool_call_id: called.tool_calls?.[0]?.id ?? '' })
    const answered = await model.invoke([new HumanMessage('Weather?'), called, result])
    expect(answered.content).toBeTypeOf('string')
  })

  it('aborts', async () => {
    const controller = new AbortController()
    const stream = await open('tiny').stream(`⟦${'x'.repeat(20_000)}⟧`, { signal: controller.signal })
    await expect(
      (async () => {
        for await (const _chunk of stream) controller.abort()
      })(),
    ).rejects.toThrow(/abort/i)
    await nothingIsComputed()
  })
})

it('LangChain embeds', async () => {
  const vectors = await new OllamaEmbeddings({ model: 'embedder', baseUrl: front.url }).embedDocuments(['a', 'b'])
  expect(vectors).toHaveLength(2)
})
