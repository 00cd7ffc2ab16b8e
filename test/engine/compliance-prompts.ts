/** What every driver must do that makes the prompts and knows the tokens itself: where another server does, that decides. */
import { expect, it } from 'vitest'
import type { InferWork } from '../../protocols/infer.ts'
import { ask, collect, isToken, type Load, type Of, ownMark, raw, request, schema, story } from './collect.ts'

/** @param resumesFormats whether it can continue an answer that keeps to a format; one that cannot must say so */
export function prompts(start: Load, resumesFormats: boolean): void {
  it('ends with length when the context is full and nothing may be shifted out of it', async () => {
    const engine = await start({ contextTokens: 256 })
    const fixed = request(raw(story), { num_predict: 5000 }, undefined, { shift: false })
    const { done } = await collect(engine.infer(fixed))
    if (done.reason === 'length') expect(done.promptTokens + done.evalTokens).toBe(256)
    else expect(done.promptTokens + done.evalTokens).toBeLessThan(256)
  })

  it('gives the tokens of what it said and of nothing else: neither the end, nor what a stop string cut off', async () => {
    const engine = await start()
    const ended = await collect(engine.infer(request(ask('What is the capital of Austria?'))))
    expect(ended.tokens).toHaveLength(ended.done.evalTokens - 1)
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 20 })))
    const frames = whole.frames.filter(isToken) as Of<'token'>[]
    const at = frames.findIndex(({ text }, place) => place > 3 && text.length > 3)
    const before = frames.slice(0, at)
    const kept = before.map(({ text }) => text).join('') + frames[at]?.text.slice(0, 2)
    const cut = await collect(
      engine.infer(request(raw(story), { num_predict: 20, stop: [whole.text.slice(kept.length)] })),
    )
    expect(cut.text).toBe(kept)
    const known = before.flatMap(({ tokens }) => tokens)
    expect(cut.tokens.slice(0, known.length)).toEqual(known)
    expect(cut.tokens.length).toBeGreaterThan(known.length)
    expect(cut.tokens[known.length]).not.toBe(frames[at]?.tokens[0])
  })

  it('refuses a context with a token that the model does not have, by its number, and goes on', async () => {
    const engine = await start()
    const work = (context: readonly number[]): InferWork => ({ kind: 'generate', prompt: 'on', raw: false, context })
    const { frames, failed } = await collect(engine.infer(request(work([1, 2_000_000_000, 2]))))
    expect(frames.map(({ kind }) => kind)).toEqual(['accepted', 'failed'])
    expect(failed).toMatchObject({
      code: 'invalid-request',
      message: expect.stringMatching(/no token 2000000000 in test-model, whose last is \d+/),
    })
    expect((await collect(engine.infer(request(work([1, 2, 3]), { num_predict: 2 })))).done.kind).toBe('done')
  })

  it('continues an interrupted answer exactly where it stopped', async () => {
    const engine = await start()
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 30 })))
    const known = whole.tokens.slice(0, 11)
    const rest = await collect(engine.infer(request(raw(story), { num_predict: 30 }, [...known])))
    expect(rest.frames.find(isToken)).toMatchObject({ index: 11 })
    expect([...known, ...rest.tokens]).toEqual(whole.tokens)
    expect(rest.done.evalTokens).toBe(30)
  })

  it('goes on beyond the context where the oldest tokens may go', async () => {
    const engine = await start({ contextTokens: 256 })
    const endless = request(raw(story), { num_predict: 400, temperature: 1.5, top_k: 0, top_p: 1, seed: 3 })
    const { done, tokens } = await collect(engine.infer(endless))
    expect(done.kind).toBe('done')
    expect(tokens).toHaveLength(done.evalTokens - (done.reason === 'stop' ? 1 : 0))
    if (done.reason === 'length') expect(done.evalTokens).toBe(400)
  })

  it('cuts the middle out of a prompt that is longer than the context, so that half of the room is left', async () => {
    const engine = await start({ contextTokens: 256 })
    const { done } = await collect(engine.infer(request(raw('word '.repeat(600)), { num_predict: 2 })))
    // What is kept is kept beside the mark of the beginning.
    const kept = 4 + ownMark(done)
    expect(done).toMatchObject({ kind: 'done', promptTokens: 256 - Math.floor((256 - kept) / 2) })
  })

  it('fails a prompt that is longer than the context as context-exceeded where nothing may be cut', async () => {
    const engine = await start({ contextTokens: 256 })
    const fixed = request(raw('word '.repeat(600)), {}, undefined, { shift: false })
    const { failed } = await collect(engine.infer(fixed))
    expect(failed).toMatchObject({ kind: 'failed', code: 'context-exceeded' })
    expect(failed.message).toMatch(/^the prompt is longer than the context length currently available to the model/)
  })

  it('drops the oldest messages of a chat that is longer than the context', async () => {
    const engine = await start({ contextTokens: 256 })
    const old = Array.from({ length: 80 }, (_, at) => ({
      role: at % 2 === 0 ? 'user' : 'assistant',
      content: 'old old old',
    }))
    const messages = [{ role: 'system', content: 'Be kind.' }, ...old, { role: 'user', content: 'What is 7 plus 8?' }]
    const { done } = await collect(engine.infer(request({ kind: 'chat', messages }, { num_predict: 4 })))
    expect(done.kind).toBe('done')
    expect(done.promptTokens).toBeLessThan(256)
    expect(done.promptTokens).toBeGreaterThan(200)
  })

  it('finds the prompt of the last request in its cache', async () => {
    const engine = await start()
    const first = await collect(engine.infer(request(ask('What is the capital of Norway?'), { num_predict: 5 })))
    const second = await collect(engine.infer(request(ask('What is the capital of Norway?'), { num_predict: 5 })))
    expect(first.done.cachedTokens).toBeLessThan(first.done.promptTokens / 2)
    expect(second.done.cachedTokens).toBe(first.done.promptTokens - 1)
    expect(second.text).toBe(first.text)
  })

  it('shows the prompt of a request that only asks for it, and computes nothing', async () => {
    const engine = await start()
    const only = request(ask('Hello'), {}, undefined, { renderOnly: true })
    const { frames } = await collect(engine.infer(only))
    expect(frames.map(({ kind }) => kind)).toEqual(['accepted', 'rendered', 'done'])
    expect((frames[1] as Of<'rendered'>).prompt).toMatch(/Hello[\s\S]*assistant/)
  })

  it('truncates a long input only where it may', async () => {
    const engine = await start({ contextTokens: 256 })
    const long = (truncate: boolean): InferWork => ({
      kind: 'embed',
      input: ['word '.repeat(600)],
      truncate,
      normalize: true,
    })
    expect((await collect(engine.infer(request(long(true))))).done.kind).toBe('done')
    expect((await collect(engine.infer(request(long(false))))).failed).toEqual({
      kind: 'failed',
      code: 'context-exceeded',
      message: 'the input length exceeds the context length',
    })
  })

  it('continues an interrupted answer within its format, or says that it cannot', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'generate', prompt: story, raw: true, format: schema }
    const whole = await collect(engine.infer(request(work)))
    const known = whole.tokens.slice(0, 9)
    const rest = await collect(engine.infer(request(work, {}, [...known])))
    if (resumesFormats) expect([...known, ...rest.tokens]).toEqual(whole.tokens)
    else expect(rest.failed.message).toMatch(/cannot continue .* format/)
  })
}
