import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { accepted, done, held, post, type Running, startFake, streamOf, token } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

const generate = (body: object, headers?: Record<string, string>) => post(`${node.url}/api/generate`, body, headers)

describe('POST /api/generate', () => {
  it('streams one line per piece of text and the metrics in the last', async () => {
    const { status, type, lines } = await generate({ model: ' demo ', prompt: 'hi' })
    expect([status, type]).toEqual([200, 'application/x-ndjson'])
    expect(lines.slice(0, 3).map(({ response, done }) => [response, done])).toEqual([
      ['Hel', false],
      ['lo', false],
      [' <you> & "me"', false],
    ])
    expect(Object.keys(lines[0] ?? {})).toEqual(['model', 'created_at', 'response', 'done'])
    const last = lines[3] ?? {}
    expect(Object.keys(last)).toEqual([
      'model',
      'created_at',
      'response',
      'done',
      'done_reason',
      'context',
      'total_duration',
      'load_duration',
      'prompt_eval_count',
      'prompt_eval_duration',
      'eval_count',
      'eval_duration',
    ])
    expect(last).toMatchObject({ model: 'demo', response: '', done: true, done_reason: 'stop' })
    expect(last.context).toEqual([1, 2, 3, 4, 5, 100, 101, 102])
    expect(last.load_duration).toBeGreaterThan(0)
    expect(last.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z$/)
  })

  it('answers one object with the whole text when not streaming', async () => {
    const { type, text, json } = await generate({ model: 'demo', prompt: 'hi', stream: false })
    expect(type).toBe('application/json; charset=utf-8')
    expect(text.endsWith('\n')).toBe(false)
    expect(json).toMatchObject({ response: 'Hello <you> & "me"', done: true, done_reason: 'stop', eval_count: 3 })
    expect(json?.context).toEqual([1, 2, 3, 4, 5, 100, 101, 102])
  })

  it('leaves zero metrics and, in raw mode, the context out', async () => {
    node.cluster.answer = () => streamOf([accepted, token(0, 'a'), done({ reason: 'length', promptNs: 0, evalNs: 0 })])
    const { lines } = await generate({ model: 'demo', prompt: 'hi', raw: true })
    const last = lines.at(-1) ?? {}
    expect(last.done_reason).toBe('length')
    expect(Object.keys(last)).not.toContain('context')
    expect(Object.keys(last)).not.toContain('prompt_eval_duration')
  })

  it('passes the work, the options and the headers on', async () => {
    const options = { temperature: 'hot', Stop: ['x'] }
    const body = { model: 'demo', prompt: 'hi', system: 's', context: [7], options, keep_alive: '1h30m' }
    await generate(body, { 'X-OMX-Priority': '3', 'X-OMX-Deadline-Ms': '2500' })
    expect(node.cluster.requests[0]).toEqual({
      model: 'demo',
      work: { kind: 'generate', prompt: 'hi', system: 's', raw: false, context: [7] },
      options,
      keepAliveMs: 5_400_000,
      priority: 3,
      deadlineMs: 2_500,
    })
  })

  it.each([
    [300, 300_000],
    [0.5, 500],
    [-1, Number.POSITIVE_INFINITY],
    ['-1m', Number.POSITIVE_INFINITY],
    [null, undefined],
  ])('reads keep_alive %j', async (sent, expected) => {
    await generate({ model: 'demo', prompt: 'hi', keep_alive: sent })
    expect(node.cluster.requests[0]?.keepAliveMs).toBe(expected)
  })

  it('loads on an empty prompt, with one object even when streaming', async () => {
    const { type, json } = await generate({ model: 'demo' })
    expect(type).toBe('application/json; charset=utf-8')
    expect(Object.keys(json ?? {})).toEqual(['model', 'created_at', 'response', 'done', 'done_reason'])
    expect(json).toMatchObject({ response: '', done: true, done_reason: 'load' })
    expect(node.cluster.requests[0]?.work).toEqual({ kind: 'load' })
  })

  it('unloads on an empty prompt with keep_alive 0', async () => {
    const { json } = await generate({ model: 'demo', keep_alive: 0 })
    expect(json).toMatchObject({ response: '', done: true, done_reason: 'unload' })
    expect(node.cluster.unloaded).toEqual(['demo'])
    expect(node.cluster.requests).toEqual([])
  })

  it('does not unload when there is a prompt', async () => {
    await generate({ model: 'demo', prompt: 'hi', keep_alive: 0 })
    expect([node.cluster.unloaded, node.cluster.requests[0]?.keepAliveMs]).toEqual([[], 0])
  })

  it.each([
    [{}, 404, "model '' not found"],
    [{ model: '///' }, 400, 'invalid model name'],
    [{ model: 'absent' }, 404, "model 'absent' not found"],
    [{ model: 'absent', keep_alive: 0 }, 404, "model 'absent' not found"],
    [{ model: 'absent', suffix: 'x' }, 404, "model 'absent' not found"],
    [{ model: 'gpt-oss:120b-cloud' }, 403, 'ollama cloud is disabled: remote model is unavailable'],
    [{ model: 'demo:cloud:local' }, 400, 'use either :local or :cloud, not both: "demo:cloud:local"'],
    [{ model: 'demo', top_logprobs: 21 }, 400, 'top_logprobs must be between 0 and 20'],
    [{ top_logprobs: -1 }, 400, 'top_logprobs must be between 0 and 20'],
    [{ model: 'demo', raw: true, system: 's' }, 400, 'raw mode does not support template, system, or context'],
    [
      { model: 'demo', prompt: 'x', context: [1, -7] },
      400,
      'json: cannot read number -7 as field context.1: it must be >= 0',
    ],
    [{ model: 'demo', raw: true, context: [1] }, 400, 'raw mode does not support template, system, or context'],
    [{ model: 'demo', suffix: 's' }, 400, 'registry.ollama.ai/library/demo:latest does not support insert'],
    [{ model: 'demo', images: ['aGk='] }, 400, 'registry.ollama.ai/library/demo:latest does not support vision'],
    [{ model: 'demo', think: true }, 400, '"demo" does not support thinking'],
    [{ model: 'demo', think: 'high' }, 400, '"demo" does not support thinking'],
    [
      { model: 'demo', think: 'x' },
      400,
      'invalid think value: "x" (must be "high", "medium", "low", "max", true, or false)',
    ],
    [
      { model: 'demo', format: 'xml' },
      500,
      'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
    ],
    [{ model: 'demo', keep_alive: '-1' }, 400, 'time: missing unit in duration "-1"'],
    [{ model: 'demo', keep_alive: true }, 400, "Unsupported type: 'bool'"],
  ])('answers %j with %d %s', async (fields, status, error) => {
    const answer = await generate({ prompt: 'keep_alive' in fields && fields.keep_alive === 0 ? '' : 'hi', ...fields })
    expect([answer.status, answer.json]).toEqual([status, { error }])
  })

  it('passes on what the answer must be and how it is to be computed', async () => {
    const asked = { format: { type: 'object' }, template: 't', think: false, truncate: false, shift: false }
    await generate({ model: 'demo', prompt: 'hi', ...asked, logprobs: true, top_logprobs: 2 })
    expect(node.cluster.requests[0]).toMatchObject({
      work: { format: { type: 'object' }, template: 't', think: false },
      truncate: false,
      shift: false,
      logprobs: 2,
    })
  })

  it('passes a suffix, images and thinking on to a model that can do with them', async () => {
    node.cluster.heldModels = [{ ...held, capabilities: ['completion', 'insert', 'vision', 'thinking'] }]
    const asked = { suffix: 'end', images: ['data:image/png;base64,aGk='], think: 'high' }
    expect((await generate({ model: 'demo', prompt: 'hi', ...asked })).status).toBe(200)
    expect(node.cluster.requests[0]?.work).toMatchObject({ suffix: 'end', images: [Buffer.from('hi')], think: 'high' })
  })

  it.each([
    ['a*k=', 'illegal base64 data at input byte 1'],
    ['aGk', 'illegal base64 data at input byte 3'],
  ])('refuses the image %j: %s', async (image, error) => {
    const answer = await generate({ model: 'demo', prompt: 'hi', images: [image] })
    expect([answer.status, answer.json]).toEqual([400, { error }])
  })

  it('shows thinking apart from the answer, and probabilities with each token, silent ones included', async () => {
    const row = { token: 'é', logprob: -0.5, top: [{ token: 'é', logprob: -0.5 }] }
    node.cluster.answer = () =>
      streamOf([
        accepted,
        { ...token(0, ''), thinking: 'hm' } as InferFrame,
        { ...token(1, ''), logprobs: [row] } as InferFrame,
        token(2, ''),
        token(3, 'yes'),
        done(),
      ])
    const shown = { token: 'é', logprob: -0.5, bytes: [0xc3, 0xa9] }
    const { lines } = await generate({ model: 'demo', prompt: 'hi' })
    expect(lines.slice(0, -1).map(({ model: _, created_at: __, ...rest }) => rest)).toEqual([
      { response: '', thinking: 'hm', done: false },
      { response: '', done: false, logprobs: [{ ...shown, top_logprobs: [shown] }] },
      { response: 'yes', done: false },
    ])
    const whole = await generate({ model: 'demo', prompt: 'hi', stream: false })
    expect(whole.json).toMatchObject({ response: 'yes', thinking: 'hm', logprobs: [{ token: 'é' }] })
  })

  it('answers the rendered prompt where only that is asked for, also when streaming', async () => {
    node.cluster.answer = () => streamOf([accepted, { kind: 'rendered', prompt: '<hi>', images: 0 }, done()])
    const { json } = await generate({ model: 'demo', prompt: 'hi', _debug_render_only: true })
    expect(node.cluster.requests[0]?.renderOnly).toBe(true)
    expect(json).toMatchObject({ model: 'demo', response: '', _debug_info: { rendered_template: '<hi>' } })
  })

  it.each([
    { format: '' },
    { format: null },
    { think: false },
    { images: [] },
    { template: '' },
    { width: 5 },
    { top_logprobs: 3 },
  ])('accepts %j, which asks for nothing', async (fields) => {
    expect((await generate({ model: 'demo', prompt: 'hi', ...fields })).status).toBe(200)
  })

  it.each([
    ['X-OMX-Priority', '11'],
    ['X-OMX-Priority', '1.5'],
    ['X-OMX-Deadline-Ms', '0'],
    ['X-OMX-Deadline-Ms', 'soon'],
  ])('refuses the header %s: %s by name', async (name, value) => {
    const answer = await generate({ model: 'demo', prompt: 'hi' }, { [name]: value })
    expect(answer.status).toBe(400)
    expect(answer.json?.error).toMatch(new RegExp(`^${name.toLowerCase()} must be a whole number from .* "${value}"$`))
  })

  it('peels :local off the name and repeats it as it was sent', async () => {
    const { json } = await generate({ model: 'demo:local' })
    expect([json?.model, node.cluster.requests[0]?.model]).toEqual(['demo:local', 'demo'])
  })
})
