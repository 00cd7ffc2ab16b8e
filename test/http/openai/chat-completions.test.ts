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

const messages = [{ role: 'user', content: 'hi' }]
const chat = (body: object) => sse(`${node.url}/v1/chat/completions`, { model: 'demo', messages, ...body })
const answerWith = (...frames: readonly InferFrame[]): void => {
  node.cluster.answer = () => streamOf([accepted, ...frames])
}
const asked = () => node.cluster.requests.at(-1)
const call = { id: 'call_1', index: 0, name: 'weather', arguments: { city: 'Oslo' } }
const callJson = {
  id: 'call_1',
  index: 0,
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Oslo"}' },
}

describe('POST /v1/chat/completions', () => {
  it('answers one object with the usage', async () => {
    const { status, json } = await chat({})
    expect(status).toBe(200)
    expect(json).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'demo',
      system_fingerprint: 'fp_ollama',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello <you> & "me"' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    })
  })

  it('streams chunks with one id and one time, the role in the first, a chunk for the end, and [DONE]', async () => {
    const { type, text } = await chat({ stream: true })
    expect(type).toBe('text/event-stream')
    const events = eventsOf(text)
    expect(events.at(-1)).toBe('[DONE]')
    const chunks = events.slice(0, -1).map((data) => JSON.parse(data))
    expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1)
    expect(chunks.map(({ choices }) => choices[0])).toEqual([
      { index: 0, delta: { role: 'assistant', content: 'Hel' }, finish_reason: null },
      { index: 0, delta: { content: 'lo' }, finish_reason: null },
      { index: 0, delta: { content: ' <you> & "me"' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'stop' },
    ])
    for (const chunk of chunks) expect(chunk).not.toHaveProperty('usage')
  })

  it('adds a chunk with the usage where that is asked for', async () => {
    const { text } = await chat({ stream: true, stream_options: { include_usage: true } })
    const last = JSON.parse(eventsOf(text).at(-2) ?? '')
    expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } })
  })

  it('says thoughts apart, before the text of the same frame', async () => {
    answerWith({ ...token(0, 'Yes'), thinking: 'hm' }, done())
    const { text } = await chat({ stream: true })
    const deltas = eventsOf(text)
      .slice(0, -1)
      .map((data) => JSON.parse(data).choices[0].delta)
    expect(deltas).toEqual([{ role: 'assistant', content: '', reasoning: 'hm' }, { content: 'Yes' }, {}])
    answerWith({ ...token(0, 'Yes'), thinking: 'hm' }, done())
    expect((await chat({})).json.choices[0].message).toEqual({ role: 'assistant', content: 'Yes', reasoning: 'hm' })
  })

  it('gives calls with their arguments as text, and ends with tool_calls', async () => {
    const frames = [{ ...token(0, ''), toolCalls: [call] }, done()]
    answerWith(...frames)
    expect((await chat({})).json.choices[0]).toMatchObject({
      message: { content: '', tool_calls: [callJson] },
      finish_reason: 'tool_calls',
    })
    answerWith(...frames)
    const chunks = eventsOf((await chat({ stream: true })).text)
      .slice(0, -1)
      .map((data) => JSON.parse(data).choices[0])
    expect(chunks).toEqual([
      { index: 0, delta: { role: 'assistant', content: '', tool_calls: [callJson] }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'tool_calls' },
    ])
  })

  it('gives the probabilities of tokens under content', async () => {
    answerWith({ ...token(0, 'A'), logprobs: [{ token: 'A', logprob: -0.5, top: [] }] }, done())
    const { json } = await chat({ logprobs: true, top_logprobs: 2 })
    expect(json.choices[0].logprobs.content).toMatchObject([{ token: 'A', logprob: -0.5, bytes: [65] }])
    expect(asked()?.logprobs).toBe(2)
  })

  it('takes OpenAI’s sampling, with its own defaults', async () => {
    await chat({})
    expect(asked()?.options).toEqual({ temperature: 1, top_p: 1 })
    await chat({
      temperature: 0,
      top_p: 0.5,
      seed: 7,
      max_tokens: 9,
      stop: 'x',
      frequency_penalty: 1,
      presence_penalty: 2,
    })
    expect(asked()?.options).toEqual({
      temperature: 0,
      top_p: 0.5,
      seed: 7,
      num_predict: 9,
      stop: ['x'],
      frequency_penalty: 1,
      presence_penalty: 2,
    })
    await chat({ max_completion_tokens: 4, stop: ['a', 'b'] })
    expect(asked()?.options).toMatchObject({ num_predict: 4, stop: ['a', 'b'] })
  })

  it('reads parts of a content as messages, and names a tool by the id of its call', async () => {
    const { status } = await chat({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          reasoning: 'hm',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
      ],
    })
    expect(status).toBe(200)
    expect(asked()?.work).toMatchObject({
      messages: [
        { role: 'user', content: 'What is it?' },
        { role: 'user', content: '', images: [Buffer.from([0, 0, 0])] },
        { role: 'assistant', content: '', thinking: 'hm', toolCalls: [call] },
        { role: 'tool', content: 'rain', toolName: 'weather', toolCallId: 'call_1' },
      ],
    })
  })

  it('reads a developer as the system, and a content without parts as one that says nothing', async () => {
    const called = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }
    await chat({
      messages: [
        { role: 'developer', content: 'Be kind.' },
        { role: 'assistant', content: [], tool_calls: [called] },
        { role: 'tool', tool_call_id: 'call_1', content: [] },
      ],
    })
    expect(asked()?.work).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'assistant', content: '', toolCalls: [call] },
        { role: 'tool', content: '', toolName: 'weather' },
      ],
    })
  })

  it('leaves tools out that are no functions', async () => {
    await chat({ tools: [{ type: 'custom', custom: { name: 'patch' } }, { function: { name: 'f' } }] })
    expect(asked()?.work).toMatchObject({ tools: [{ type: 'function', function: { name: 'f' } }] })
  })

  it.each([
    [{ reasoning_effort: 'none' }, false],
    [{ reasoning_effort: 'minimal' }, 'low'],
    [{ reasoning: { effort: 'xhigh' } }, 'max'],
    [{}, undefined],
  ])('takes %j as think %j', async (body, think) => {
    await chat(body)
    expect(asked()?.work).toMatchObject(think === undefined ? { kind: 'chat' } : { think })
    if (think === undefined) expect(asked()?.work).not.toHaveProperty('think')
  })

  it.each([
    [{ type: 'json_object' }, 'json'],
    [{ type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } }, { type: 'object' }],
    [{ type: 'text' }, undefined],
  ])('takes the response_format %j', async (response_format, format) => {
    await chat({ response_format })
    const work = asked()?.work
    expect(work?.kind === 'chat' ? work.format : 'no chat').toEqual(format)
  })

  it('offers no tool where tool_choice is none', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    await chat({ tools })
    expect(asked()?.work).toMatchObject({ tools })
    await chat({ tools, tool_choice: 'none' })
    expect(asked()?.work).not.toHaveProperty('tools')
  })

  it.each([
    [{ messages: [] }, 400, 'invalid_request_error', /^\[\] is too short - 'messages'$/],
    [{ model: 'nobody' }, 404, 'not_found_error', "model 'nobody' not found"],
    [
      { messages: [{ role: 'user', content: null }] },
      400,
      'invalid_request_error',
      'invalid message content type: <nil>',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'video' }] }] },
      400,
      'invalid_request_error',
      'invalid message format',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/b.png' } }] }] },
      400,
      'invalid_request_error',
      'image URLs are not currently supported, please use base64 encoded data instead',
    ],
    [{ reasoning_effort: 'much' }, 400, 'invalid_request_error', /^invalid reasoning value: 'much'/],
    [{ temperature: 'hot' }, 400, 'invalid_request_error', /temperature/],
  ])('refuses %j in OpenAI’s envelope', async (body, expected, type, message) => {
    const { status, json } = await chat(body)
    expect(status).toBe(expected)
    expect(json).toEqual({ error: { message: expect.stringMatching(message), type, param: null, code: null } })
  })

  it('ends a stream that fails with an event that says why', async () => {
    answerWith(token(0, 'Hel'), { kind: 'failed', code: 'engine-crashed', message: 'it died' })
    const events = eventsOf((await chat({ stream: true })).text)
    expect(JSON.parse(events.at(-1) ?? '')).toEqual({
      error: { message: 'it died', type: 'api_error', param: null, code: null },
    })
  })

  it('answers with a status where a stream fails before it begins', async () => {
    answerWith({ kind: 'failed', code: 'load-failed', message: 'no memory' })
    const { status, json } = await chat({ stream: true })
    expect(status).toBe(500)
    expect(json.error).toMatchObject({ message: 'no memory', type: 'api_error' })
  })
})
