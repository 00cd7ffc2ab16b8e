import { Ollama } from 'ollama'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { Channel } from '../../src/runtime/channel.ts'
import { accepted, done, held, type Running, startFake, streamOf, token } from './fake-cluster.ts'

let node: Running
let ollama: Ollama
beforeEach(async () => {
  node = await startFake()
  ollama = new Ollama({ host: node.url })
})
afterEach(() => node.listener.close())

const messages = [{ role: 'user', content: 'hi' }]

describe("Ollama's own client", () => {
  it('chats, streaming and not', async () => {
    let text = ''
    for await (const part of await ollama.chat({ model: 'demo', messages, stream: true })) text += part.message.content
    const whole = await ollama.chat({ model: 'demo', messages })
    expect([text, whole.message.content]).toEqual(['Hello <you> & "me"', 'Hello <you> & "me"'])
    expect(whole.eval_count).toBe(3)
  })

  it('generates, streaming and not, and continues from the context', async () => {
    let text = ''
    for await (const part of await ollama.generate({ model: 'demo', prompt: 'hi', stream: true })) text += part.response
    const whole = await ollama.generate({ model: 'demo', prompt: 'hi' })
    expect([text, whole.response]).toEqual(['Hello <you> & "me"', 'Hello <you> & "me"'])
    await ollama.generate({ model: 'demo', prompt: 'more', context: whole.context })
    expect(node.cluster.requests.at(-1)?.work).toMatchObject({ context: whole.context })
  })

  it('embeds', async () => {
    const vector: InferFrame = { kind: 'embedding', index: 0, vector: new Float32Array([0.25, 0.5]) }
    node.cluster.answer = () => streamOf([accepted, vector, done()])
    expect((await ollama.embed({ model: 'demo', input: 'hi' })).embeddings).toEqual([[0.25, 0.5]])
    expect((await ollama.embeddings({ model: 'demo', prompt: 'hi' })).embedding).toEqual([0.25, 0.5])
  })

  it('lists, shows and says what is loaded', async () => {
    expect((await ollama.list()).models[0]?.name).toBe('demo:latest')
    expect((await ollama.ps()).models[0]?.name).toBe('demo:latest')
    expect((await ollama.show({ model: 'demo' })).details).toEqual(held.details)
    expect((await ollama.version()).version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('throws the words of an error before and after the first token', async () => {
    await expect(ollama.chat({ model: 'absent', messages })).rejects.toThrow("model 'absent' not found")
    const crash: InferFrame = { kind: 'failed', code: 'engine-crashed', message: 'the engine ended' }
    node.cluster.answer = () => streamOf([accepted, token(0, 'a'), crash])
    const parts = await ollama.chat({ model: 'demo', messages, stream: true })
    const seen: string[] = []
    const reading = (async () => {
      for await (const part of parts) seen.push(part.message.content)
    })()
    await expect(reading).rejects.toThrow('the engine ended')
    expect(seen).toEqual(['a'])
  })

  it('cancels the work when it aborts', async () => {
    let left = () => {}
    const cancelled = new Promise<void>((resolve) => {
      left = resolve
    })
    const channel = new Channel<InferFrame>({ highWater: 10, onCancel: () => left() })
    node.cluster.answer = () => channel
    channel.push(token(0, 'a'))
    const parts = await ollama.chat({ model: 'demo', messages, stream: true })
    const reading = (async () => {
      for await (const _ of parts) parts.abort()
    })()
    await expect(reading).rejects.toThrow()
    await cancelled
  })
})
