import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../../protocols/infer.ts'
import { accepted, done, held, type Running, startFake, streamOf, token } from '../fake-cluster.ts'
import { eventsOf, sse } from '../sse.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
  node.cluster.heldModels = [{ ...held, capabilities: ['completion', 'tools', 'thinking', 'vision'] }]
})
afterEach(() => node.listener.close())

const ask = (body: object) => sse(`${node.url}/v1/responses`, { model: 'demo', input: 'hi', ...body })
const answerWith = (...frames: readonly InferFrame[]): void => {
  node.cluster.answer = () => streamOf([accepted, ...frames])
}
const asked = () => node.cluster.requests.at(-1)
const call = { id: 'call_1', index: 0, name: 'weather', arguments: { city: 'Oslo' } }

describe('POST /v1/responses', () => {
  it('answers a whole response with what was asked for', async () => {
    const { json } = await ask({ instructions: 'Be short.', max_output_tokens: 9, metadata: { a: 'b' } })
    expect(json).toMatchObject({
      id: expect.stringMatching(/^resp_/),
      object: 'response',
      status: 'completed',
      model: 'demo',
      instructions: 'Be short.',
      max_output_tokens: 9,
      metadata: { a: 'b' },
      store: false,
      service_tier: 'default',
      output: [
        {
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hello <you> & "me"', annotations: [], logprobs: [] }],
        },
      ],
      usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8, input_tokens_details: { cached_tokens: 0 } },
    })
    expect(asked()).toMatchObject({
      options: { temperature: 1, num_predict: 9 },
      work: {
        messages: [
          { role: 'system', content: 'Be short.' },
          { role: 'user', content: 'hi' },
        ],
      },
    })
    expect(asked()?.options).not.toHaveProperty('top_p')
  })

  it('streams numbered events: thoughts, then calls, each item from its beginning to its end', async () => {
    answerWith({ ...token(0, ''), thinking: 'hm' }, { ...token(1, ''), toolCalls: [call] }, done())
    const { text } = await ask({ stream: true })
    const events = eventsOf(text).map((data) => JSON.parse(data))
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at))
    expect(events.map(({ type, output_index }) => [type.replace('response.', ''), output_index])).toEqual([
      ['created', undefined],
      ['in_progress', undefined],
      ['output_item.added', 0],
      ['reasoning_summary_text.delta', 0],
      ['reasoning_summary_text.done', 0],
      ['output_item.done', 0],
      ['output_item.added', 1],
      ['function_call_arguments.delta', 1],
      ['function_call_arguments.done', 1],
      ['output_item.done', 1],
      ['completed', undefined],
    ])
    expect(events.at(-1).response.output).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }], encrypted_content: 'hm' },
      { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}', status: 'completed' },
    ])
  })

  it('streams text as a message with one part', async () => {
    const { text } = await ask({ stream: true })
    const events = eventsOf(text).map((data) => JSON.parse(data))
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ])
    const ids = events.flatMap(({ item_id, item }) => item_id ?? item?.id ?? [])
    expect(new Set(ids).size).toBe(1)
  })

  it('reads items of every kind that says something', async () => {
    await ask({
      input: [
        { role: 'developer', content: 'Be kind.' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'Look: ' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
          ],
        },
        { type: 'reasoning', summary: [], encrypted_content: 'hm' },
        { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call', call_id: 'call_2', name: 'weather', arguments: '' },
        { type: 'function_call_output', call_id: 'call_1', output: 'rain' },
        { type: 'function_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'sun' }] },
      ],
      tools: [
        { type: 'function', name: 'weather', parameters: { type: 'object' } },
        { type: 'namespace', name: 'home', tools: [{ type: 'function', name: 'light' }] },
        { type: 'web_search' },
      ],
      text: { format: { type: 'json_schema', name: 'x', schema: { type: 'object' } } },
      reasoning: { effort: 'high' },
    })
    expect(asked()?.work).toEqual({
      kind: 'chat',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Look: ', images: [Buffer.from([0, 0, 0])] },
        {
          role: 'assistant',
          content: '',
          thinking: 'hm',
          toolCalls: [call, { id: 'call_2', index: 1, name: 'weather', arguments: {} }],
        },
        { role: 'tool', content: 'rain', toolCallId: 'call_1', toolName: 'weather' },
        { role: 'tool', content: 'sun', toolCallId: 'call_2', toolName: 'weather' },
      ],
      tools: [
        { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } },
        { type: 'function', function: { name: 'home.light' } },
      ],
      format: { type: 'object' },
      think: 'high',
    })
  })

  it.each([
    [{ input: undefined }, /input is required/],
    [{ previous_response_id: 'resp_1' }, /^previous_response_id and conversation are not supported: nothing is kept/],
    [{ conversation: { id: 'conv_1' } }, /nothing is kept/],
    [{ input: [{ type: 'function_call', name: { toString: 1 } }] }, /^name of an item of input must be a text/],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, /item_reference/],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'x' }] }] }, /input_file/],
    [{ text: { format: { type: 'json_schema', name: 'x' } } }, /schema/],
  ])('refuses %j', async (body, message) => {
    const { status, json } = await ask(body)
    expect([status, json.error.type]).toEqual([400, 'invalid_request_error'])
    expect(json.error.message).toMatch(message)
  })

  it('ends a stream that fails with an error event', async () => {
    answerWith(token(0, 'Y'), { kind: 'failed', code: 'engine-crashed', message: 'it died' })
    const last = JSON.parse(eventsOf((await ask({ stream: true })).text).at(-1) ?? '')
    expect(last).toMatchObject({ type: 'error', message: 'it died', error: { type: 'api_error' } })
  })
})
