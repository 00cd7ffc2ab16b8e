/** The driver for OpenAI-compatible servers, against one that is a node of this project with the sim engine. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { InferFrame } from '../../protocols/infer.ts'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { OpenaiCatalog } from '../../src/engine/openai/catalog.ts'
import { openaiAt } from '../../src/engine/openai/driver.ts'
import { writeOwnModels } from '../conformance/own-models.ts'
import { useCluster } from '../process/support/cluster.ts'
import type { OmxNode } from '../process/support/omx-node.ts'
import { ask, collect, raw, request, settings, takeUntil } from './collect.ts'

const cluster = useCluster()
let node: OmxNode
let catalog: OpenaiCatalog
let model: ModelFile
let engine: LoadedEngine

const load = async (file: ModelFile, url = `${node.url}/v1`): Promise<LoadedEngine> =>
  createDriver({ name: 'openai', url }).load(file, settings, new AbortController().signal)

beforeAll(async () => {
  node = await cluster.start('there', { engine: 'sim', holds: true })
  catalog = new OpenaiCatalog(openaiAt(`${node.url}/v1/`, ''))
  const [held] = await catalog.list()
  model = (await catalog.find(held?.digest ?? '')) as ModelFile
  engine = await load(model)
})
afterAll(() => engine.close())

const rowsOf = (frames: readonly InferFrame[]) =>
  frames.flatMap((frame) => (frame.kind === 'token' ? (frame.logprobs ?? []) : []))
/** What the sim engine is told to say. */
const told = (content: string) => [{ role: 'user', content: `⟦${content}⟧` }]
const weather = {
  type: 'function',
  function: { name: 'weather', description: 'of a city', parameters: { type: 'object', properties: {} } },
}

describe('the models of a server', () => {
  it('are listed, found by their version and shown, and are not to be changed from here', async () => {
    const [held] = await catalog.list()
    expect(held).toMatchObject({ name: 'tiny:latest', digest: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(held?.capabilities).toEqual(['completion', 'tools', 'vision', 'thinking'])
    expect(await catalog.find('0'.repeat(64))).toBeUndefined()
    expect(await catalog.show('tiny')).toMatchObject({ model_info: { 'general.basename': 'tiny:latest' } })
    expect(await catalog.show('absent')).toBeUndefined()
    await expect(catalog.remove('tiny')).rejects.toThrow(`those of the server at ${node.url}/v1: delete tiny there`)
    await expect(catalog.copy('tiny')).rejects.toThrow('copy tiny there')
    await expect(catalog.importGguf('tiny')).rejects.toThrow('create tiny there')
    await expect(catalog.create({ name: 'tiny' })).rejects.toThrow('create tiny there')
    await expect(catalog.hasBlob()).rejects.toThrow('put the file there')
    await expect(catalog.writeBlob()).rejects.toThrow('put the file there')
  })

  it('are none while nothing answers there', async () => {
    expect(await new OpenaiCatalog(openaiAt('http://127.0.0.1:1/v1', '')).list()).toEqual([])
    const starting = createServer((_, response) => response.writeHead(503).end('starting')).listen(0, '127.0.0.1')
    await once(starting, 'listening')
    const url = `http://127.0.0.1:${(starting.address() as AddressInfo).port}/v1`
    expect(await new OpenaiCatalog(openaiAt(url, '')).list()).toEqual([])
    starting.close()
  })
})

it('models stand while their server refuses to list them', async () => {
  let status = 200
  const data = JSON.stringify({ data: [{ id: 'a' }], error: { message: 'who are you?' } })
  const server = createServer((_, response) => response.writeHead(status).end(data)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const there = new OpenaiCatalog(openaiAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, ''))
  await there.open()
  const listed = await there.list()
  expect(listed.map(({ name }) => name)).toEqual(['a:latest'])
  status = 401
  expect(await there.list()).toEqual(listed)
  await expect(there.find('x')).rejects.toThrow(/^who are you\?: give the node the key of .* with --openai-key/)
  await expect(there.open()).rejects.toMatchObject({ status: 401 })
  server.close()
})

describe('the openai driver', () => {
  it('answers a completion, a prompt and a chat with the text and the counts', async () => {
    const prompt = { kind: 'generate', prompt: 'a b c', raw: false, system: 'Be kind.' } as const
    for (const work of [raw('Hello'), prompt, ask('Hello')]) {
      const { text, done, frames } = await collect(engine.infer(request(work, { num_predict: 5 })))
      expect(frames[0]).toEqual({ kind: 'accepted', load: { active: 1, waiting: 0, slots: 4 } })
      expect(text.trim().split(' ')).toHaveLength(5)
      expect(done).toMatchObject({ reason: 'length', evalTokens: 5, promptTokens: expect.any(Number) })
      expect(done.promptTokens).toBeGreaterThan(0)
    }
    expect(engine.load()).toEqual({ active: 0, waiting: 0, slots: 4 })
  })

  it('passes sampling on: the same seed says the same, a stop string ends the answer', async () => {
    const say = async (options: Record<string, unknown>) =>
      (await collect(engine.infer(request(raw('a'), { num_predict: 12, ...options })))).text
    const first = await say({ temperature: 1, seed: 7 })
    expect(await say({ temperature: 1, seed: 7, top_k: 3 })).toBe(first)
    expect(await say({ temperature: 1, seed: 8 })).not.toBe(first)
    const [, word = ''] = first.trim().split(' ')
    expect(await say({ temperature: 1, seed: 7, stop: [word] })).toBe(first.slice(0, first.indexOf(word)))
  })

  it('keeps to a format, and gives probabilities with their alternatives where they are asked for', async () => {
    const format = { type: 'object', properties: { a: { type: 'integer' } } }
    const chat = { kind: 'chat', messages: [{ role: 'user', content: 'a' }], format } as const
    expect(JSON.parse((await collect(engine.infer(request(chat)))).text)).toEqual({ a: 1 })
    for (const work of [raw('a'), ask('a')]) {
      const shown = await collect(engine.infer(request(work, { num_predict: 3 }, undefined, { logprobs: 2 })))
      expect(rowsOf(shown.frames).map(({ top }) => top?.length)).toEqual([2, 2, 2])
      expect(rowsOf((await collect(engine.infer(request(work, { num_predict: 3 })))).frames)).toEqual([])
    }
  })

  it('gives the words of the server for what the model behind it cannot do', async () => {
    const asked = { kind: 'chat', messages: [{ role: 'user', content: 'a' }], tools: [weather] } as const
    const { failed } = await collect(engine.infer(request(asked)))
    expect(failed).toMatchObject({
      code: 'invalid-request',
      message: expect.stringContaining('does not support tools'),
    })
  })

  it('embeds in order, normalized or as it comes, cut to the dimensions that were asked for', async () => {
    const input = Array.from({ length: 40 }, (_, at) => `text ${at}`)
    const embed = async (rest: { readonly normalize: boolean; readonly dimensions?: number }) =>
      (await collect(engine.infer(request({ kind: 'embed', input, truncate: true, ...rest })))).frames.flatMap(
        (frame) => (frame.kind === 'embedding' ? [frame] : []),
      )
    const whole = await embed({ normalize: true })
    expect(whole.map(({ index }) => index)).toEqual(input.map((_, at) => at))
    expect(whole.every(({ vector }) => Math.abs(Math.hypot(...vector) - 1) < 1e-4)).toBe(true)
    const cut = await embed({ normalize: true, dimensions: 5 })
    expect(cut.map(({ vector }) => vector.length)).toEqual(input.map(() => 5))
    expect(Math.hypot(...(cut[39]?.vector ?? []))).toBeCloseTo(1, 4)
    const nothing = request({ kind: 'embed', input: [], truncate: true, normalize: true })
    expect((await collect(engine.infer(nothing))).frames.map(({ kind }) => kind)).toEqual(['accepted', 'done'])
  })

  it('refuses what it cannot ask for, and options of a wrong type, in the words that clients know', async () => {
    const prompt = { kind: 'generate', prompt: 'a', raw: false } as const
    const wrong = [
      [request({ ...prompt, suffix: 'b' }), 'test-model does not support insert'],
      [request({ ...prompt, template: '{{ .Prompt }}' }), 'test-model does not support template'],
      [request({ ...prompt, context: [1] }), 'test-model does not support context'],
      [request({ ...prompt, raw: true, format: 'json' }), 'test-model does not support format in raw mode'],
      [request(ask('a'), {}, undefined, { renderOnly: true }), 'test-model does not support showing its prompt'],
      [request(ask('a'), { temperature: 'hot' }), 'option "temperature" must be of type float32'],
    ] as const
    for (const [each, message] of wrong) {
      expect((await collect(engine.infer(each))).failed).toEqual({ kind: 'failed', code: 'invalid-request', message })
    }
    const { failed } = await collect(engine.infer(request(ask('a'), {}, [1, 2])))
    expect(failed).toMatchObject({ code: 'internal', message: expect.stringContaining('send the request again') })
  })

  it('ends the work there when its consumer leaves', async () => {
    const iterator = engine.infer(request(raw('a'), { num_predict: 100_000 }))[Symbol.asyncIterator]()
    await takeUntil(iterator, (frame) => frame.kind === 'token')
    expect((await node.status()).tasks.active).toBe(1)
    await iterator.return?.()
    expect(engine.load().active).toBe(0)
    await expect.poll(async () => (await node.status()).tasks.active, { timeout: 5000 }).toBe(0)
  })

  it('fills its slots, then its queue, says busy, and ends everything when it is closed', async () => {
    const small = await createDriver({ name: 'openai', url: `${node.url}/v1` }).load(
      model,
      { ...settings, slots: 1, maxWaiting: 1 },
      new AbortController().signal,
    )
    const long = () => small.infer(request(raw('a'), { num_predict: 1000 }))[Symbol.asyncIterator]()
    const open = [long(), long()]
    await takeUntil(open[0] as AsyncIterator<readonly InferFrame[]>, (frame) => frame.kind === 'token')
    expect((await collect(small.infer(request(raw('a'))))).last).toMatchObject({ kind: 'refused', reason: 'busy' })
    await small.close()
    for (const iterator of open) {
      const rest = await takeUntil(iterator, (frame) => frame.kind === 'failed')
      expect(rest.at(-1)).toMatchObject({ code: 'cancelled' })
    }
    expect(await small.ended).toBeUndefined()
    expect((await collect(small.infer(request(raw('a'))))).last).toMatchObject({ kind: 'refused', reason: 'draining' })
  })

  it('ends with a failure when nothing answers there any more', async () => {
    const gone = await cluster.start('gone', { engine: 'sim', holds: true })
    const lost = await load(model, `${gone.url}/v1`)
    const iterator = lost.infer(request(raw('a'), { num_predict: 1000 }))[Symbol.asyncIterator]()
    await takeUntil(iterator, (frame) => frame.kind === 'token')
    gone.process.kill('SIGKILL')
    const rest = await takeUntil(iterator, (frame) => frame.kind === 'failed')
    expect(rest.at(-1)).toMatchObject({ code: 'engine-crashed' })
    expect(await lost.ended).toMatchObject({ name: 'RemoteError' })
    await expect(load({ ...model, digest: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'load-failed' })
  })
})

/** What other servers send that a node does not: each test says it word for word. */
describe('other servers', () => {
  const servers: Server[] = []
  afterAll(() => {
    for (const server of servers) server.close()
  })

  type Answer = (response: ServerResponse, body: Record<string, unknown>, asked: IncomingMessage) => unknown
  const vllm = { id: 'Qwen/Qwen3-8B', object: 'model', created: 1, owned_by: 'vllm', max_model_len: 40_960, root: 'x' }

  async function serve(answer: Answer, rows: readonly object[] = [vllm]): Promise<string> {
    const server = createServer(async (asked, response) => {
      if (asked.url === '/v1/models') response.end(JSON.stringify({ object: 'list', data: rows }))
      else answer(response, (await json(asked)) as Record<string, unknown>, asked)
    }).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  }

  const events = (response: ServerResponse, chunks: readonly object[]) => {
    const written = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join('')
    response.end(`: ping\n\n${written}data:[DONE]\n\n`)
  }
  const delta = (fields: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta: fields, finish_reason }],
  })
  const first = async (url: string, key = '') => {
    const [held] = await new OpenaiCatalog(openaiAt(url, key)).list()
    const driver = createDriver({ name: 'openai', url }, { openaiKey: key })
    return driver.load({ ...model, digest: held?.digest ?? '' }, settings, new AbortController().signal)
  }

  it('have names and contexts of their own, and times that do not stand still', async () => {
    let created = 1000
    const rows = {
      get data() {
        created += 60
        const at = { created, owned_by: 'llamacpp' }
        const path = { ...at, id: '/models/My Model.Q4.gguf', meta: { n_ctx_train: 4096, n_embd: 64, size: 7 } }
        return [{ ...vllm, created }, path, { ...at, id: 'bge-m3' }, { ...at, id: '///' }]
      },
    }
    const server = createServer((_, response) => response.end(JSON.stringify(rows))).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const there = new OpenaiCatalog(openaiAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, ''))
    const models = await there.list()
    expect(models.map(({ name, contextLength }) => [name, contextLength])).toEqual([
      ['Qwen/Qwen3-8B:latest', 40_960],
      ['My-Model.Q4:latest', 4096],
      ['bge-m3:latest', 0],
    ])
    expect(models[2]?.capabilities).toEqual(['embedding'])
    expect(there.problems().map(({ name }) => name)).toEqual(['///'])
    // Otherwise every look would be news for the whole cluster.
    expect(await there.list()).toEqual(models)
  })

  it('send thoughts, calls in parts, lines with U+2028, cached tokens and no more than that', async () => {
    const engine = await first(
      await serve((response) =>
        events(response, [
          delta({ role: 'assistant', content: '' }),
          delta({ reasoning_content: 'hm' }),
          delta({ content: 'a\u2028b' }),
          delta({ tool_calls: [{ index: 0, id: 'x', type: 'function', function: { name: 'f', arguments: '{"a"' } }] }),
          delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
          delta({ tool_calls: [{ index: 1, id: 'y', function: { name: 'g', arguments: '' } }] }),
          delta({}, 'tool_calls'),
          {
            choices: [],
            usage: { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 8 } },
          },
        ]),
      ),
    )
    const { frames, text, done } = await collect(engine.infer(request(ask('a'))))
    const shown = frames.filter((frame) => frame.kind === 'token')
    expect(text).toBe('a\u2028b')
    expect(shown.map(({ thinking = '' }) => thinking).join('')).toBe('hm')
    expect(shown.flatMap(({ toolCalls = [] }) => toolCalls)).toEqual([
      { id: 'x', index: 0, name: 'f', arguments: { a: 1 } },
      { id: 'y', index: 1, name: 'g', arguments: {} },
    ])
    expect(done).toMatchObject({ reason: 'stop', promptTokens: 9, cachedTokens: 8, evalTokens: 4 })
  })

  it('wait for a consumer that does not take, who does not hold up its neighbour', async () => {
    const all = 32_000
    const written: number[] = []
    const url = await serve(async (response) => {
      const stream = written.push(0) - 1
      const closed = once(response, 'close')
      for (let at = 0; at < all && !response.destroyed; at += 1) {
        const more = response.write(`data: ${JSON.stringify(delta({ content: 'x'.repeat(1000) }))}\n\n`)
        written[stream] = at + 1
        if (!more) await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed])
      }
      response.end(`data: ${JSON.stringify(delta({}, 'stop'))}\n\ndata: [DONE]\n\n`)
    })
    const engine = await first(url)
    const slow = engine.infer(request(ask('a')))[Symbol.asyncIterator]()
    await takeUntil(slow, (frame) => frame.kind === 'token')
    const neighbour = await collect(engine.infer(request(ask('a'))))
    expect(neighbour.text).toHaveLength(all * 1000)
    // What is written and not taken lies in the buffers of two sockets.
    expect(written[0]).toBeLessThan(all / 2)
    await slow.return?.()
  })

  it('are told the key, calls by their ids, images as data and how hard to think', async () => {
    const seen: { body: Record<string, unknown>; key: string | undefined }[] = []
    const url = await serve((response, body, { headers }) => {
      seen.push({ body, key: headers.authorization })
      events(response, [delta({ content: 'ok' }, 'stop')])
    })
    const engine = await first(url, 'sk-secret')
    const messages = [
      { role: 'user', content: 'a', images: [Buffer.from('GIF89a')] },
      { role: 'assistant', content: '', toolCalls: [{ id: '', index: 0, name: 'f', arguments: { a: 1 } }] },
      { role: 'tool', content: '2', toolName: 'f' },
    ]
    await collect(engine.infer(request({ kind: 'chat', messages, think: false, tools: [weather] })))
    const id = 'call_1_0'
    expect(seen).toEqual([
      {
        key: 'Bearer sk-secret',
        body: {
          model: 'Qwen/Qwen3-8B',
          stream: true,
          stream_options: { include_usage: true },
          temperature: 0,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'image_url', image_url: { url: 'data:image/gif;base64,R0lGODlh' } },
                { type: 'text', text: 'a' },
              ],
            },
            {
              role: 'assistant',
              content: '',
              tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
            },
            { role: 'tool', content: '2', tool_call_id: id },
          ],
          tools: [weather],
          reasoning_effort: 'none',
          chat_template_kwargs: { enable_thinking: false },
        },
      },
    ])
  })

  it.each([
    [400, { error: { message: "This model's maximum context length is 8 tokens" } }, 'context-exceeded'],
    [422, { error: { message: 'unknown role' } }, 'invalid-request'],
    [401, { error: { message: 'wrong key: sk-secret' } }, 'internal'],
    [503, { object: 'error', message: 'overloaded' }, 'internal'],
  ])('pass a status %i on, before and within a stream, and never the key', async (code, body, failure) => {
    for (const inStream of [false, true]) {
      const url = await serve((response) => {
        if (!inStream) response.writeHead(code).end(JSON.stringify(body))
        else
          events(response, [
            delta({ content: 'a' }),
            'error' in body ? { error: { ...body.error, code } } : { ...body, code },
          ])
      })
      const engine = await first(url, 'sk-secret')
      const { failed } = await collect(engine.infer(request(ask('a'))))
      expect(failed.code).toBe(failure)
      expect(failed.message).toMatch(/length is 8|unknown role|wrong key: …|overloaded/)
      expect(engine.load().active).toBe(0)
    }
  })
})

it('a node with a server behind it offers chat, tools and embeddings as its own', async () => {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), 'sim')
  const behind = await cluster.start('behind', { engine: 'sim', data, holds: true })
  const front = await cluster.start('front', { engine: 'sim', words: ['--engine', `openai=${behind.url}/v1`] })
  const names = async ({ client }: OmxNode) => (await client.list()).models.map(({ name }) => name).sort()
  expect(await names(front)).toEqual(await names(behind))
  const streamed = await front.client.chat({ model: 'tiny', messages: told('Ahoy there'), stream: true })
  let text = ''
  for await (const part of streamed) text += part.message.content
  expect(text).toBe('Ahoy there')
  const call = '<call>{"name": "weather", "arguments": {"city": "Oslo"}}</call>'
  const called = await front.client.chat({ model: 'callers', messages: told(call), tools: [weather] })
  const [found] = called.message.tool_calls ?? []
  expect(found?.function).toMatchObject({ name: 'weather', arguments: { city: 'Oslo' } })
  const result = { role: 'tool', content: 'rain', tool_name: 'weather' }
  const messages = [...told(call), called.message, result, ...told('It rains.')]
  const answer = await front.client.chat({ model: 'callers', messages, tools: [weather] })
  expect(answer.message.content).toBe('It rains.')
  const input = ['a fox', 'a moon']
  const there = await behind.client.embed({ model: 'tiny', input })
  const { embeddings } = await front.client.embed({ model: 'tiny', input })
  expect(embeddings).toEqual(there.embeddings.map((vector) => vector.map((value) => expect.closeTo(value, 5))))
})
