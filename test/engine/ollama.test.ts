/** The driver for an Ollama, against whatever speaks Ollama's API here: a node of this project with the sim engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { InferFrame } from '../../protocols/infer.ts'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { OllamaCatalog } from '../../src/engine/ollama/catalog.ts'
import { ollamaAt } from '../../src/engine/ollama/driver.ts'
import { useCluster } from '../process/support/cluster.ts'
import type { OmxNode } from '../process/support/omx-node.ts'
import { ask, collect, raw, request, settings, takeUntil } from './collect.ts'

const cluster = useCluster()
let node: OmxNode
let catalog: OllamaCatalog
let model: ModelFile
let engine: LoadedEngine

const load = async (file: ModelFile): Promise<LoadedEngine> =>
  createDriver({ name: 'ollama', url: node.url }).load(file, settings, new AbortController().signal)

beforeAll(async () => {
  node = await cluster.start('there', { engine: 'sim', holds: true })
  catalog = new OllamaCatalog(ollamaAt(node.url))
  const [held] = await catalog.list()
  model = (await catalog.find(held?.digest ?? '')) as ModelFile
  engine = await load(model)
})
afterAll(() => engine.close())

describe('the models of an Ollama', () => {
  it('are listed, found by their version, shown, copied and removed there', async () => {
    const [held] = await catalog.list()
    expect(held).toMatchObject({ name: 'tiny:latest', contextLength: 1024, capabilities: ['completion'] })
    expect(await catalog.find('0'.repeat(64))).toBeUndefined()
    expect(await catalog.show('tiny', false)).toMatchObject({ capabilities: ['completion'] })
    expect(await catalog.show('absent', false)).toBeUndefined()
    expect(await catalog.copy('tiny', 'copied')).toBe(true)
    expect(await catalog.copy('absent', 'other')).toBe(false)
    expect(await catalog.remove('copied')).toBe(true)
    expect(await catalog.remove('copied')).toBe(false)
    await expect(catalog.importGguf('x')).rejects.toThrow('ollama create')
  })

  it('are none while nothing answers there', async () => {
    expect(await new OllamaCatalog(ollamaAt('http://127.0.0.1:1')).list()).toEqual([])
  })
})

describe('the ollama driver', () => {
  it('says what that Ollama says of the loaded model', () => {
    expect(engine.contextLength).toBeGreaterThan(0)
    expect(engine.sizeBytes).toBeGreaterThan(0)
    expect(engine.load()).toEqual({ active: 0, waiting: 0, slots: 4 })
  })

  it('answers a generate and a chat with the text, the counts and the context', async () => {
    const { text, done, frames } = await collect(engine.infer(request(ask('Hello'), { num_predict: 5 })))
    expect(frames[0]?.kind).toBe('accepted')
    expect(text.trim().split(' ')).toHaveLength(5)
    expect(done).toMatchObject({ reason: 'length', evalTokens: 5 })
    const work = { kind: 'generate', prompt: 'a b c', raw: false } as const
    const generated = await collect(engine.infer(request(work, { num_predict: 3 })))
    expect(generated.done.promptTokenIds?.length).toBeGreaterThan(3)
  })

  it('passes a format, probabilities and a wish for the prompt alone on', async () => {
    const format = { type: 'object', properties: { a: { type: 'integer' } } }
    const work = { kind: 'generate', prompt: 'a', raw: true, format } as const
    expect(JSON.parse((await collect(engine.infer(request(work)))).text)).toEqual({ a: 1 })
    const shown = await collect(engine.infer(request(raw('a'), { num_predict: 3 }, undefined, { logprobs: 2 })))
    const rows = shown.frames.flatMap((frame) => (frame.kind === 'token' ? (frame.logprobs ?? []) : []))
    expect(rows).toHaveLength(3)
    expect(rows[0]?.top).toHaveLength(2)
    const only = await collect(engine.infer(request(ask('Hello'), {}, undefined, { renderOnly: true })))
    expect(only.frames.map(({ kind }) => kind)).toEqual(['accepted', 'rendered', 'done'])
  })

  it('refuses a context with a token that the model there does not have, before the Ollama sees it', async () => {
    const work = (context: readonly number[]) => ({ kind: 'generate', prompt: 'on', raw: false, context }) as const
    const { failed } = await collect(engine.infer(request(work([1, 1024]))))
    expect(failed).toMatchObject({
      code: 'invalid-request',
      message: expect.stringContaining('no token 1024 in tiny:latest, whose last is 1023'),
    })
    expect((await collect(engine.infer(request(work([1, 1023]), { num_predict: 1 })))).done.kind).toBe('done')
  })

  it('embeds, normalized and as it comes', async () => {
    const embed = (normalize: boolean) =>
      collect(engine.infer(request({ kind: 'embed', input: ['a fox', 'a moon'], truncate: true, normalize })))
    const lengths = (frames: readonly InferFrame[]) =>
      frames.flatMap((frame) => (frame.kind === 'embedding' ? [Math.hypot(...frame.vector)] : []))
    const [one, other] = lengths((await embed(true)).frames)
    expect([one, other]).toEqual([expect.closeTo(1, 4), expect.closeTo(1, 4)])
    expect(lengths((await embed(false)).frames).every((length) => Math.abs(length - 1) > 0.01)).toBe(true)
  })

  it('gives the words of that Ollama for what it refuses', async () => {
    const { failed } = await collect(engine.infer(request(raw('a'), { temperature: 'hot' })))
    expect(failed).toMatchObject({ kind: 'failed', message: 'option "temperature" must be of type float32' })
    const format = { type: 'nonsense' }
    const refused = await collect(engine.infer(request({ kind: 'generate', prompt: 'a', raw: true, format })))
    expect(refused.failed).toMatchObject({ code: 'invalid-request' })
  })

  it('ends the work there when its consumer leaves', async () => {
    const iterator = engine.infer(request(raw('a'), { num_predict: 1000 }))[Symbol.asyncIterator]()
    await takeUntil(iterator, (frame) => frame.kind === 'token')
    await iterator.return?.()
    expect(engine.load().active).toBe(0)
    await expect.poll(async () => (await node.status()).tasks.active, { timeout: 5000 }).toBe(0)
  })

  it('refuses a version that its name does not mean there any more', async () => {
    const stale = await load({ ...model, digest: 'f'.repeat(64) })
    const { failed } = await collect(stale.infer(request(raw('a'))))
    expect(failed.message).toBe('tiny:latest is another version now')
  })

  it('ends with a failure when nothing answers there any more', async () => {
    const gone = await cluster.start('gone', { engine: 'sim', holds: true })
    const lost = await createDriver({ name: 'ollama', url: gone.url }).load(
      model,
      settings,
      new AbortController().signal,
    )
    const iterator = lost.infer(request(raw('a'), { num_predict: 1000 }))[Symbol.asyncIterator]()
    await takeUntil(iterator, (frame) => frame.kind === 'token')
    gone.process.kill('SIGKILL')
    const rest = await takeUntil(iterator, (frame) => frame.kind === 'failed')
    expect(rest.at(-1)).toMatchObject({ code: 'engine-crashed' })
    expect(await lost.ended).toMatchObject({ name: 'RemoteError' })
    await expect(load({ ...model, name: 'absent:latest' })).rejects.toMatchObject({ code: 'load-failed' })
  })
})

it('a node with an Ollama behind it offers its models as its own', async () => {
  const front = await cluster.start('front', { engine: 'sim', words: ['--engine', `ollama=${node.url}`] })
  expect((await front.client.list()).models.map(({ name }) => name)).toEqual(['tiny:latest'])
  const answer = await front.client.generate({ model: 'tiny', prompt: 'a', options: { num_predict: 4 } })
  expect([answer.done_reason, answer.eval_count]).toEqual(['length', 4])
  expect(answer.context.length).toBeGreaterThan(4)
  const streamed = await front.client.chat({ model: 'tiny', messages: [{ role: 'user', content: 'a' }], stream: true })
  let text = ''
  for await (const part of streamed) text += part.message.content
  expect(text.length).toBeGreaterThan(10)
})
