import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { accepted, done, held, post, type Running, startFake, streamOf, token } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

const chat = (body: object) => post(`${node.url}/api/chat`, body)
const messages = [{ role: 'User', content: 'hi' }]

describe('POST /api/chat', () => {
  it('streams messages of the assistant and the metrics in the last', async () => {
    const { type, lines } = await chat({ model: 'demo', messages })
    expect(type).toBe('application/x-ndjson')
    expect(lines[0]).toMatchObject({ message: { role: 'assistant', content: 'Hel' }, done: false })
    expect(Object.keys(lines[0] ?? {})).toEqual(['model', 'created_at', 'message', 'done'])
    expect(Object.keys(lines.at(-1) ?? {})).toEqual([
      'model',
      'created_at',
      'message',
      'done',
      'done_reason',
      'total_duration',
      'load_duration',
      'prompt_eval_count',
      'prompt_eval_duration',
      'eval_count',
      'eval_duration',
    ])
    expect(lines.at(-1)).toMatchObject({ message: { role: 'assistant', content: '' }, done: true })
  })

  it('answers one object when not streaming', async () => {
    const { json } = await chat({ model: 'demo', messages, stream: false })
    expect(json).toMatchObject({ message: { role: 'assistant', content: 'Hello <you> & "me"' }, done: true })
  })

  it('lower-cases known roles, passes others through and takes a missing content as empty', async () => {
    await chat({
      model: 'demo',
      messages: [...messages, { role: 'Critic' }, { Role: 'TOOL', CONTENT: 'x', tool_name: 'f' }],
    })
    expect(node.cluster.requests[0]?.work).toEqual({
      kind: 'chat',
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'critic', content: '' },
        { role: 'tool', content: 'x', toolName: 'f' },
      ],
    })
  })

  it('passes tools and the calls of earlier turns on, with their keys as they are', async () => {
    node.cluster.heldModels = [{ ...held, capabilities: ['completion', 'tools'] }]
    const parameters = { Type: 'object', properties: { City: { type: 'string' } } }
    const called = { function: { name: 'weather', arguments: { City: 'Oslo' } } }
    await chat({
      model: 'demo',
      tools: [{ type: 'function', Function: { Name: 'weather', parameters } }],
      messages: [
        {
          role: 'assistant',
          thinking: 'hm',
          tool_calls: [called, { id: 'c2', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', content: '11', tool_name: 'weather', tool_call_id: 'c1' },
      ],
    })
    expect(node.cluster.requests[0]?.work).toEqual({
      kind: 'chat',
      tools: [{ type: 'function', function: { name: 'weather', parameters } }],
      messages: [
        {
          role: 'assistant',
          content: '',
          thinking: 'hm',
          toolCalls: [
            { id: '', index: 0, name: 'weather', arguments: { City: 'Oslo' } },
            { id: 'c2', index: 0, name: 'f', arguments: {} },
          ],
        },
        { role: 'tool', content: '11', toolName: 'weather', toolCallId: 'c1' },
      ],
    })
  })

  it('shows calls whole, with arguments as an object, in a line of their own', async () => {
    const call = { id: 'call_1', index: 0, name: 'weather', arguments: { city: 'Oslo' } }
    node.cluster.answer = () =>
      streamOf([accepted, token(0, 'Well.'), { ...token(1, ''), toolCalls: [call] } as InferFrame, done()])
    const shown = { id: 'call_1', function: { index: 0, name: 'weather', arguments: { city: 'Oslo' } } }
    const { lines } = await chat({ model: 'demo', messages })
    expect(lines[1]).toMatchObject({ message: { role: 'assistant', content: '', tool_calls: [shown] }, done: false })
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop' })
    const whole = await chat({ model: 'demo', messages, stream: false })
    expect(whole.json?.message).toEqual({ role: 'assistant', content: 'Well.', tool_calls: [shown] })
  })

  it('loads and unloads when there are no messages', async () => {
    const loaded = await chat({ model: 'demo', messages: [] })
    expect(loaded.json).toMatchObject({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'load' })
    const unloaded = await chat({ model: 'demo', keep_alive: '0' })
    expect(unloaded.json).toMatchObject({ message: { role: 'assistant', content: '' }, done_reason: 'unload' })
    expect(node.cluster.unloaded).toEqual(['demo'])
  })

  it.each([
    [{ model: '' }, 400, 'model is required'],
    [{ model: 'a b' }, 400, 'invalid model name'],
    [{ model: 'absent' }, 404, "model 'absent' not found"],
    [{ model: 'absent', tools: [{}] }, 404, "model 'absent' not found"],
    [{ model: 'demo', tools: [{}] }, 400, 'registry.ollama.ai/library/demo:latest does not support tools'],
    [{ model: 'u/demo:latest', tools: [{}] }, 404, "model 'u/demo:latest' not found"],
    [
      { model: 'demo', messages: [{ role: 'user', content: '', images: ['aGk='] }] },
      400,
      'registry.ollama.ai/library/demo:latest does not support vision',
    ],
    [
      { model: 'demo', messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: [1] } }] }] },
      400,
      'the arguments of a tool call must be an object, not [1]',
    ],
    [
      { model: 'demo', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] },
      400,
      'json: cannot read array as field messages.0.content: it must be string',
    ],
  ])('answers %j with %d %s', async (fields, status, error) => {
    const answer = await chat({ messages, ...fields })
    expect([answer.status, answer.json]).toEqual([status, { error }])
  })
})
