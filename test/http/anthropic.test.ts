import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { accepted, done, held, type Running, startFake, streamOf, token } from './fake-cluster.ts'
import { eventsOf, sse } from './sse.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
  node.cluster.heldModels = [{ ...held, capabilities: ['completion', 'tools', 'thinking', 'vision'] }]
})
afterEach(() => node.listener.close())

const messages = [{ role: 'user', content: 'hi' }]
const ask = (body: object) => sse(`${node.url}/v1/messages`, { model: 'demo', max_tokens: 9, messages, ...body })
const answerWith = (...frames: readonly InferFrame[]): void => {
  node.cluster.answer = () => streamOf([accepted, ...frames])
}
const asked = () => node.cluster.requests.at(-1)
const call = { id: 'call_1', index: 0, name: 'weather', arguments: { city: 'Oslo' } }
const everything: readonly InferFrame[] = [
  { ...token(0, ''), thinking: 'h' },
  { ...token(1, ''), thinking: 'm' },
  token(2, 'Yes'),
  { ...token(3, ''), toolCalls: [call] },
  done(),
]

describe('POST /v1/messages', () => {
  it('answers blocks of thoughts, text and calls', async () => {
    answerWith(...everything)
    expect((await ask({})).json).toEqual({
      id: expect.stringMatching(/^msg_[0-9a-f]{24}$/),
      type: 'message',
      role: 'assistant',
      model: 'demo',
      content: [
        { type: 'thinking', thinking: 'hm', signature: '' },
        { type: 'text', text: 'Yes' },
        { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Oslo' } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 5, output_tokens: 3 },
    })
  })

  it('streams each block from its beginning to its end, one after the other', async () => {
    answerWith(...everything)
    const { type, text } = await ask({ stream: true })
    expect(type).toBe('text/event-stream')
    const names = text.split('\n').flatMap((line) => (line.startsWith('event: ') ? [line.slice(7)] : []))
    const events = eventsOf(text).map((data) => JSON.parse(data))
    expect(events.map((event) => event.type)).toEqual(names)
    expect(events.map((event) => [event.type, event.index, event.delta ?? event.content_block])).toEqual([
      ['message_start', undefined, undefined],
      ['content_block_start', 0, { type: 'thinking', thinking: '', signature: '' }],
      ['content_block_delta', 0, { type: 'thinking_delta', thinking: 'h' }],
      ['content_block_delta', 0, { type: 'thinking_delta', thinking: 'm' }],
      ['content_block_stop', 0, undefined],
      ['content_block_start', 1, { type: 'text', text: '' }],
      ['content_block_delta', 1, { type: 'text_delta', text: 'Yes' }],
      ['content_block_stop', 1, undefined],
      ['content_block_start', 2, { type: 'tool_use', id: 'call_1', name: 'weather', input: {} }],
      ['content_block_delta', 2, { type: 'input_json_delta', partial_json: '{"city":"Oslo"}' }],
      ['content_block_stop', 2, undefined],
      ['message_delta', undefined, { stop_reason: 'tool_use', stop_sequence: null }],
      ['message_stop', undefined, undefined],
    ])
  })

  it('takes what is given of the sampling, and the rest from the model', async () => {
    await ask({})
    expect(asked()?.options).toEqual({ num_predict: 9 })
    await ask({ temperature: 0.5, top_p: 0.9, top_k: 3, stop_sequences: ['x'] })
    expect(asked()?.options).toEqual({ num_predict: 9, temperature: 0.5, top_p: 0.9, top_k: 3, stop: ['x'] })
  })

  it('reads systems, blocks, images, calls and their results', async () => {
    await ask({
      system: [
        { type: 'text', text: 'Be ' },
        { type: 'text', text: 'short.', cache_control: { type: 'ephemeral' } },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What ' },
            { type: 'text', text: 'is it?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: '' },
            { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Oslo' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'rain' }] },
            { type: 'text', text: 'So?' },
          ],
        },
        { role: 'system', content: 'Answer.' },
      ],
      tools: [
        { name: 'weather', input_schema: { type: 'object' } },
        { type: 'web_search_20250305', name: 'web_search' },
      ],
    })
    expect(asked()?.work).toEqual({
      kind: 'chat',
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'What is it?', images: [Buffer.from([0, 0, 0])] },
        { role: 'assistant', content: '', thinking: 'hm', toolCalls: [call] },
        { role: 'tool', content: 'rain', toolCallId: 'call_1', toolName: 'weather' },
        { role: 'user', content: 'So?' },
        { role: 'system', content: 'Answer.' },
      ],
      tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }],
    })
  })

  it.each([
    [{ thinking: { type: 'enabled', budget_tokens: 1024 } }, true],
    [{ thinking: { type: 'disabled' } }, false],
    [{ output_config: { effort: 'xhigh' } }, 'high'],
  ])('takes %j as think %j', async (body, think) => {
    await ask(body)
    expect(asked()?.work).toMatchObject({ think })
  })

  it.each([
    [{ messages: [] }, 400, 'invalid_request_error', /^messages is required$/],
    [{ max_tokens: 0 }, 400, 'invalid_request_error', /^max_tokens is required and must be positive$/],
    [{ model: 'nobody' }, 404, 'not_found_error', /not found/],
    [{ messages: [{ role: 'user', content: [{ type: 'document' }] }] }, 400, 'invalid_request_error', /document/],
    [{ messages: [{ role: 'user', content: 7 }] }, 400, 'invalid_request_error', /content/],
    [
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://x.example' } }] }] },
      400,
      'invalid_request_error',
      /base64/,
    ],
  ])('refuses %j in Anthropic’s envelope', async (body, expected, type, message) => {
    const { status, json } = await ask(body)
    expect([status, json]).toEqual([
      expected,
      {
        type: 'error',
        error: { type, message: expect.stringMatching(message) },
        request_id: expect.stringMatching(/^req_/),
      },
    ])
  })

  it('says overloaded where the cluster is', async () => {
    node.cluster.answer = () =>
      streamOf([{ kind: 'refused', reason: 'busy', message: '', load: { active: 1, waiting: 0, slots: 1 } }])
    const { status, json } = await ask({ stream: true })
    expect([status, json.error.type]).toEqual([503, 'overloaded_error'])
  })

  it('ends a stream that fails with an error event', async () => {
    answerWith(token(0, 'Y'), { kind: 'failed', code: 'engine-crashed', message: 'it died' })
    const { text } = await ask({ stream: true })
    expect(text.split('\n\n').at(-2)).toContain('event: error\ndata: {"type":"error","error":{"type":"api_error"')
  })
})

describe('POST /v1/messages/count_tokens', () => {
  const count = (body: object) => sse(`${node.url}/v1/messages/count_tokens`, { model: 'demo', messages, ...body })
  const rendered = { kind: 'rendered', prompt: 'user: hi, assistant:', images: 0 } as const

  it('counts the prompt as the model would be given it, and computes nothing', async () => {
    answerWith(rendered, done({ reason: 'load', promptTokens: 17 }))
    const { status, json } = await count({ system: 'Be short.' })
    expect([status, json]).toEqual([200, { input_tokens: 17 }])
    expect(asked()).toMatchObject({
      renderOnly: true,
      work: { messages: [{ role: 'system', content: 'Be short.' }, { content: 'hi' }] },
    })
  })

  it('estimates where an engine cannot count', async () => {
    answerWith(rendered, done({ reason: 'load', promptTokens: 0 }))
    expect((await count({})).json).toEqual({ input_tokens: 5 })
  })

  it('refuses as messages do', async () => {
    const { status, json } = await count({ model: 'nobody' })
    expect([status, json.error.type]).toEqual([404, 'not_found_error'])
  })
})
