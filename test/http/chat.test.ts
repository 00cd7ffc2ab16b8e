import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { post, type Running, startFake } from './fake-cluster.ts'

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
        { role: 'tool', content: 'x' },
      ],
    })
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
      { model: 'demo', messages: [{ role: 'assistant', content: '', tool_calls: [{}] }] },
      400,
      'registry.ollama.ai/library/demo:latest does not support tools',
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
