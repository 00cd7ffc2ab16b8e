/** What every driver must do. Each driver's test file runs this suite with a loader of its own. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { Format } from '../../protocols/chat.ts'
import type { InferFrame, InferWork } from '../../protocols/infer.ts'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import {
  ask,
  collect,
  isToken,
  type Load,
  type Outcome,
  ownMark,
  raw,
  request,
  schema,
  story,
  takeUntil,
} from './collect.ts'
import { prompts } from './compliance-prompts.ts'

export interface ComplianceInit {
  /** Whether it can continue an answer that keeps to a format; one that cannot must say so. */
  readonly resumesFormats?: boolean
  /** Whether another server makes the prompts and keeps the tokens to itself: answers are text, and how many tokens. */
  readonly isRemote?: boolean
  /** Whether it makes vectors with the same model. */
  readonly embeds?: boolean
  /** Tests that the server behind a driver cannot pass, by their titles, each with the reason. */
  readonly known?: Readonly<Record<string, string>>
}

export function compliance(
  name: string,
  load: Load,
  { resumesFormats = true, isRemote = false, embeds = true, known = {} }: ComplianceInit = {},
): void {
  describe(`the ${name} driver`, () => {
    /** Starting an engine takes most of a second: tests that leave it idle share it. */
    const engines = new Map<string, Promise<LoadedEngine>>()
    const shared: Load = async (overrides = {}) => {
      const key = JSON.stringify(overrides)
      const engine = engines.get(key) ?? load(overrides)
      engines.set(key, engine)
      return await engine
    }
    beforeEach(({ task, skip }) => {
      const reason = known[task.name]
      if (reason !== undefined) skip(reason)
    })
    afterAll(async () => {
      for (const engine of engines.values()) await (await engine).close()
    })
    answers(shared, isRemote)
    if (isRemote) elsewhere(shared)
    else prompts(shared, resumesFormats)
    formats(shared, isRemote)
    probabilities(shared, isRemote)
    if (embeds) embeddings(shared)
    concurrency(shared)
    endings(load)
  })
}

function answers(start: Load, isRemote: boolean): void {
  it('begins with accepted, counts tokens from 0 without a gap, and ends with done and the counts', async () => {
    const engine = await start()
    const { frames, tokens, done } = await collect(engine.infer(request(raw(story), { num_predict: 20 })))
    expect(frames[0]).toEqual({ kind: 'accepted', load: { active: 1, waiting: 0, slots: 4 } })
    let next = 0
    for (const frame of frames) {
      if (frame.kind !== 'token') continue
      expect(frame.index).toBe(next)
      next += frame.tokens.length
    }
    expect(done).toMatchObject({ kind: 'done', reason: 'length', evalTokens: 20, loadNs: 0 })
    expect(tokens).toHaveLength(isRemote ? 0 : 20)
    if (isRemote) expect(done.promptTokenIds).toBeUndefined()
    else expect([0, 1]).toContain(ownMark(done))
    expect(done.promptTokens).toBeGreaterThan(0)
    expect(engine.load()).toEqual({ active: 0, waiting: 0, slots: 4 })
  })

  it('gives the same text twice at temperature 0 and with a seed, and another one with another seed', async () => {
    const engine = await start()
    const say = async (options: Record<string, unknown>) =>
      (await collect(engine.infer(request(raw(story), { num_predict: 24, ...options })))).text
    expect(await say({})).toBe(await say({}))
    const hot = { temperature: 1.5, top_p: 1, top_k: 0 }
    const first = await say({ ...hot, seed: 7 })
    expect(await say({ ...hot, seed: 7 })).toBe(first)
    expect(await say({ ...hot, seed: 8 })).not.toBe(first)
  })

  it('ends before a stop string that lies across tokens, and shows nothing of it', async () => {
    const engine = await start()
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 20 })))
    const border = textOfTokens(whole, 8).length
    const stop = whole.text.slice(border - 2, border + 2)
    const cut = await collect(engine.infer(request(raw(story), { num_predict: 20, stop: [stop, 'never said'] })))
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)))
    expect(cut.done.reason).toBe('stop')
  })

  it('counts every token that it computed, those of a stop string and the one that ended the answer included', async () => {
    const engine = await start()
    const ended = await collect(engine.infer(request(ask('What is the capital of Austria?'))))
    expect(ended.done.reason).toBe('stop')
    const limit = ended.done.evalTokens
    const short = { num_predict: limit - 1 }
    const tooShort = await collect(engine.infer(request(ask('What is the capital of Austria?'), short)))
    expect(tooShort.done).toMatchObject({ reason: 'length', evalTokens: limit - 1 })
    expect(tooShort.text).toBe(ended.text)
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 20 })))
    const stop = whole.text.slice(-4)
    const cut = await collect(engine.infer(request(raw(story), { num_predict: 20, stop: [stop] })))
    expect(cut.done).toMatchObject({ reason: 'stop', evalTokens: whole.done.evalTokens })
  })

  it('goes on until the model ends where the limit is 0, as Ollama does', async () => {
    const engine = await start()
    const free = await collect(engine.infer(request(ask('What is the capital of Austria?'))))
    const zero = await collect(engine.infer(request(ask('What is the capital of Austria?'), { num_predict: 0 })))
    expect([zero.text, zero.done.reason]).toEqual([free.text, 'stop'])
  })

  it('shows text that only began like a stop string', async () => {
    const engine = await start()
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 12 })))
    const stop = `${whole.text.slice(-3)}#`
    const same = await collect(engine.infer(request(raw(story), { num_predict: 12, stop: [stop] })))
    expect(same.text).toBe(whole.text)
    expect(same.tokens).toEqual(whole.tokens)
  })

  it('refuses wrong options, in Ollama words, as invalid-request', async () => {
    const engine = await start()
    const { frames, failed } = await collect(engine.infer(request(raw(story), { temperature: 'hot' })))
    expect(frames[0]?.kind).toBe('accepted')
    expect(failed).toEqual({
      kind: 'failed',
      code: 'invalid-request',
      message: 'option "temperature" must be of type float32',
    })
    expect(engine.load().active).toBe(0)
  })

  it('answers load without computing', async () => {
    const engine = await start()
    const { frames } = await collect(engine.infer(request({ kind: 'load' })))
    expect(frames.map((frame) => frame.kind)).toEqual(['accepted', 'done'])
    expect(frames[1]).toMatchObject({ reason: 'load' })
  })
}

/** What a driver says of what only the server behind it could do. */
function elsewhere(start: Load): void {
  it('refuses to continue an answer or to show its prompt, and says so', async () => {
    const engine = await start()
    const resumed = await collect(engine.infer(request(raw(story), {}, [1, 2, 3])))
    expect(resumed.failed.message).toMatch(/cannot continue an answer/)
    const { failed } = await collect(engine.infer(request(ask('Hello'), {}, undefined, { renderOnly: true })))
    expect(failed).toMatchObject({ code: 'invalid-request', message: expect.stringContaining('does not support') })
  })
}

function formats(start: Load, isRemote: boolean): void {
  /** Other servers know a format only of an answer that is made from messages. */
  const within = (format: Format): InferWork => ({ kind: 'generate', prompt: story, raw: !isRemote, format })

  const wild = { temperature: 1.5, top_k: 0, top_p: 1, num_predict: 300 }

  it('answers with a JSON object where that is the format, however the dice fall', async () => {
    const engine = await start()
    for (const seed of [1, 2, 3]) {
      const work = within('json')
      const { text, done } = await collect(engine.infer(request(work, { ...wild, temperature: 0.3, seed })))
      if (done.reason === 'stop') expect(JSON.parse(text)).toBeTypeOf('object')
      else expect(text).toMatch(/^\s*\{/)
    }
  })

  it('answers with what a schema allows, however the dice fall', async () => {
    const engine = await start()
    for (const seed of [1, 2, 3, 4, 5]) {
      const work = within(schema)
      const { text, done } = await collect(engine.infer(request(work, { ...wild, seed })))
      expect(done.reason).toBe('stop')
      const value = JSON.parse(text)
      expect(Object.keys(value)).toEqual(['name', 'age', 'tags'])
      expect(value.name.length).toBeLessThanOrEqual(12)
      expect(Number.isInteger(value.age) && value.age >= 3 && value.age <= 120).toBe(true)
      for (const tag of value.tags) expect(['a', 'b']).toContain(tag)
    }
  })

  it('refuses a format that is no schema, and says what is wrong with it', async () => {
    const engine = await start()
    const work = within({ type: 'nonsense' })
    const { failed } = await collect(engine.infer(request(work)))
    expect(failed).toMatchObject({ kind: 'failed', code: 'invalid-request' })
    expect(failed.message).toMatch(isRemote ? /nonsense/ : /^invalid format: .*"nonsense"/)
  })
}

function probabilities(start: Load, isRemote: boolean): void {
  const rowsOf = ({ frames }: Outcome) =>
    frames.flatMap((frame) => (frame.kind === 'token' ? (frame.logprobs ?? []) : []))

  it('gives each token its probability where that is asked for, with its alternatives in order', async () => {
    const engine = await start()
    const asked = request(raw(story), { num_predict: 10 }, undefined, { logprobs: 3 })
    const outcome = await collect(engine.infer(asked))
    const rows = rowsOf(outcome)
    expect(rows).toHaveLength(10)
    expect(rows.map(({ token }) => token).join('')).toContain(outcome.text.trim())
    for (const { token, logprob, top = [] } of rows) {
      expect(logprob).toBeLessThanOrEqual(0)
      expect(top).toHaveLength(3)
      expect(top.map((row) => row.logprob)).toEqual(top.map((row) => row.logprob).toSorted((a, b) => b - a))
      // At temperature 0 the likeliest is the one that was said.
      expect(top[0]).toEqual({ token, logprob })
      expect(top.reduce((sum, row) => sum + Math.exp(row.logprob), 0)).toBeLessThanOrEqual(1.0001)
    }
  })

  it('gives no probabilities where none are asked for, and none of alternatives where only the token counts', async () => {
    const engine = await start()
    expect(rowsOf(await collect(engine.infer(request(raw(story), { num_predict: 4 }))))).toEqual([])
    const asked = request(raw(story), { num_predict: 4 }, undefined, { logprobs: 0 })
    for (const row of rowsOf(await collect(engine.infer(asked)))) expect(row).not.toHaveProperty('top')
  })

  it('says the same at temperature 0 whether probabilities are wanted or not', async () => {
    const engine = await start()
    const options = { num_predict: 24 }
    const plain = await collect(engine.infer(request(raw(story), options)))
    const shown = await collect(engine.infer(request(raw(story), options, undefined, { logprobs: 0 })))
    expect(shown.text).toBe(plain.text)
    expect(shown.tokens).toEqual(plain.tokens)
  })

  it('keeps to a format while it gives probabilities', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'generate', prompt: story, raw: !isRemote, format: schema }
    const plain = await collect(engine.infer(request(work)))
    const shown = await collect(engine.infer(request(work, {}, undefined, { logprobs: 2 })))
    expect(shown.text).toBe(plain.text)
    expect(rowsOf(shown)).toHaveLength(isRemote ? shown.done.evalTokens - 1 : shown.tokens.length)
  })
}

function textOfTokens(outcome: Outcome, count: number): string {
  let left = count
  let text = ''
  for (const frame of outcome.frames) {
    if (frame.kind !== 'token' || left <= 0) continue
    left -= frame.tokens.length
    text += frame.text
  }
  return text
}

function embeddings(start: Load): void {
  it('embeds in the order of the input, with length 1, the same text always the same', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'embed', input: ['a fox', 'a moon', 'a fox'], truncate: true, normalize: true }
    const { frames, done } = await collect(engine.infer(request(work)))
    const vectors = frames.filter((frame) => frame.kind === 'embedding')
    expect(vectors.map((frame) => frame.index)).toEqual([0, 1, 2])
    for (const { vector } of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    expect(vectors[0]?.vector).toEqual(vectors[2]?.vector)
    expect(vectors[0]?.vector).not.toEqual(vectors[1]?.vector)
    expect(done.promptTokens).toBeGreaterThan(3)
    expect(done.promptTokenIds).toBeUndefined()
  })

  it('cuts embeddings to the dimensions that were asked for and scales them again', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'embed', input: ['a fox'], truncate: true, normalize: true, dimensions: 5 }
    const [frame] = (await collect(engine.infer(request(work)))).frames.filter((each) => each.kind === 'embedding')
    expect(frame?.vector).toHaveLength(5)
    expect(Math.hypot(...(frame?.vector ?? []))).toBeCloseTo(1, 5)
  })

  it('embeds nothing at all', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'embed', input: [], truncate: true, normalize: true }
    const { frames } = await collect(engine.infer(request(work)))
    expect(frames.map((frame) => frame.kind)).toEqual(['accepted', 'done'])
  })
}

function concurrency(start: Load): void {
  it('computes concurrent streams independently, each as if it were alone', async () => {
    const engine = await start()
    const prompts = ['Once upon a time', 'The capital of Italy is', 'A node is', 'The opposite of less is']
    const alone: string[] = []
    for (const prompt of prompts) {
      alone.push((await collect(engine.infer(request(raw(prompt), { num_predict: 30 })))).text)
    }
    const together = await Promise.all(
      prompts.map((prompt) => collect(engine.infer(request(raw(prompt), { num_predict: 30 })))),
    )
    expect(together.map((outcome) => outcome.text)).toEqual(alone)
  })

  it('fills its slots, then its queue, and then says busy', async () => {
    const engine = await start({ slots: 2, maxWaiting: 1 })
    const long = () => engine.infer(request(raw(story), { num_predict: 400 }))[Symbol.asyncIterator]()
    const open = [long(), long(), long()]
    const heads = await Promise.all(open.map((iterator) => iterator.next()))
    expect(heads.map(({ value }) => value[0].load)).toEqual([
      { active: 1, waiting: 0, slots: 2 },
      { active: 2, waiting: 0, slots: 2 },
      { active: 2, waiting: 1, slots: 2 },
    ])
    const refused = await collect(engine.infer(request(raw(story))))
    expect(refused.last).toMatchObject({ kind: 'refused', reason: 'busy', load: { active: 2, waiting: 1, slots: 2 } })
    await open[0]?.return?.()
    await takeUntil(open[2] as AsyncIterator<readonly InferFrame[]>, isToken)
    expect(engine.load()).toEqual({ active: 2, waiting: 0, slots: 2 })
    await Promise.all(open.map((iterator) => iterator.return?.()))
  })

  it('frees the slot of a consumer that leaves', async () => {
    const engine = await start({ slots: 1, maxWaiting: 1 })
    for await (const batch of engine.infer(request(raw(story), { num_predict: 400 }))) {
      if (batch.some(isToken)) break
    }
    const { done } = await collect(engine.infer(request(raw(story), { num_predict: 3 })))
    expect(done.evalTokens).toBe(3)
    expect(engine.load()).toEqual({ active: 0, waiting: 0, slots: 1 })
  })

  it('stops for a consumer that does not take, without stopping its neighbour', async () => {
    const engine = await start({ slots: 2, maxWaiting: 1 })
    const slow = engine.infer(request(ask('Count from 1 to 40.'), { num_predict: 200 }))
    const neighbour = await collect(engine.infer(request(ask('Count from 1 to 50.'), { num_predict: 250 })))
    expect(neighbour.done.kind).toBe('done')
    // The slow one is shorter: without back-pressure it would be over.
    expect(engine.load().active).toBe(1)
    const { done } = await collect(slow)
    expect(done.kind).toBe('done')
    expect(done.evalTokens).toBeGreaterThan(100)
    expect(done.evalTokens).toBeLessThan(neighbour.done.evalTokens)
  })
}

function endings(start: Load): void {
  it('ends every stream when it is closed, refuses new ones, and reports a clean end', async () => {
    const engine = await start({ slots: 1, maxWaiting: 1 })
    const running = engine.infer(request(raw(story), { num_predict: 400 }))
    const waiting = engine.infer(request(raw(story), { num_predict: 400 }))
    const iterator = running[Symbol.asyncIterator]()
    await takeUntil(iterator, isToken)
    await engine.close()
    let last: InferFrame | undefined
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) last = next.value.at(-1)
    expect(last).toMatchObject({ kind: 'failed', code: 'cancelled' })
    expect((await collect(waiting)).last).toMatchObject({ kind: 'failed', code: 'cancelled' })
    expect(await engine.ended).toBeUndefined()
    expect((await collect(engine.infer(request(raw(story))))).last).toMatchObject({
      kind: 'refused',
      reason: 'draining',
    })
    await engine.close()
  })
}
