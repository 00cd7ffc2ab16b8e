/** What every driver must do. Each driver's test file runs this suite with a loader of its own. */
import { afterAll, describe, expect, it } from 'vitest'
import type { InferFrame, InferRequest, InferStream, InferWork } from '../../protocols/infer.ts'
import type { EngineSettings, LoadedEngine } from '../../src/engine/driver.ts'

export const settings: EngineSettings = {
  threads: 1,
  slots: 4,
  maxWaiting: 2,
  contextTokens: 512,
  prefillTokens: 32,
}

export type Load = (overrides?: Partial<EngineSettings>) => Promise<LoadedEngine>

let requests = 0

export function request(
  work: InferWork,
  options: Record<string, unknown> = {},
  resume?: number[],
  rest: Partial<InferRequest> = {},
): InferRequest {
  requests += 1
  return {
    id: `request-${requests}`,
    traceId: '',
    model: 'test-model',
    digest: 'd',
    work,
    options: { temperature: 0, ...options },
    remainingMs: 0,
    ...(resume === undefined ? {} : { resume: { tokens: resume } }),
    ...rest,
  }
}

export function raw(prompt: string): InferWork {
  return { kind: 'generate', prompt, raw: true }
}

export function ask(content: string): InferWork {
  return { kind: 'chat', messages: [{ role: 'user', content }] }
}

const story = 'Once upon a time'

type Of<Kind extends InferFrame['kind']> = Extract<InferFrame, { kind: Kind }>

export interface Outcome {
  readonly frames: readonly InferFrame[]
  readonly text: string
  readonly tokens: readonly number[]
  readonly last: InferFrame | undefined
  readonly done: Of<'done'>
  readonly failed: Of<'failed'>
}

export async function collect(stream: InferStream): Promise<Outcome> {
  const frames: InferFrame[] = []
  for await (const batch of stream) frames.push(...batch)
  const shown = frames.filter((frame) => frame.kind === 'token')
  const last = frames.at(-1)
  return {
    frames,
    text: shown.map((frame) => frame.text).join(''),
    tokens: shown.flatMap((frame) => frame.tokens),
    last,
    done: last as Of<'done'>,
    failed: last as Of<'failed'>,
  }
}

/** How many tokens the engine put before the prompt itself: they are counted, and no `context` has them. */
function ownMark({ promptTokens, promptTokenIds = [] }: Of<'done'>): number {
  return promptTokens - promptTokenIds.length
}

/** Takes batches until one frame satisfies `wanted`; the stream stays open. */
export async function takeUntil(
  iterator: AsyncIterator<readonly InferFrame[]>,
  wanted: (frame: InferFrame) => boolean,
): Promise<InferFrame[]> {
  const seen: InferFrame[] = []
  for (;;) {
    const { value, done } = await iterator.next()
    if (done === true) throw new Error(`the stream ended: ${JSON.stringify(seen.at(-1))}`)
    seen.push(...value)
    if (seen.some(wanted)) return seen
  }
}

const isToken = (frame: InferFrame): boolean => frame.kind === 'token'

export interface ComplianceInit {
  /** Whether it can continue an answer that keeps to a format; one that cannot must say so. */
  readonly resumesFormats?: boolean
}

export function compliance(name: string, load: Load, { resumesFormats = true }: ComplianceInit = {}): void {
  describe(`the ${name} driver`, () => {
    /** Starting an engine takes most of a second: tests that leave it idle share it. */
    const engines = new Map<string, Promise<LoadedEngine>>()
    const shared: Load = async (overrides = {}) => {
      const key = JSON.stringify(overrides)
      const engine = engines.get(key) ?? load(overrides)
      engines.set(key, engine)
      return await engine
    }
    afterAll(async () => {
      for (const engine of engines.values()) await (await engine).close()
    })
    answers(shared)
    formats(shared, resumesFormats)
    probabilities(shared)
    embeddings(shared)
    concurrency(shared)
    endings(load)
  })
}

function answers(start: Load): void {
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
    expect(tokens).toHaveLength(20)
    expect([0, 1]).toContain(ownMark(done))
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

  it('shows text that only began like a stop string', async () => {
    const engine = await start()
    const whole = await collect(engine.infer(request(raw(story), { num_predict: 12 })))
    const stop = `${whole.text.slice(-3)}#`
    const same = await collect(engine.infer(request(raw(story), { num_predict: 12, stop: [stop] })))
    expect(same.text).toBe(whole.text)
    expect(same.tokens).toEqual(whole.tokens)
  })

  it('ends with length when the context is full and nothing may be shifted out of it', async () => {
    const engine = await start({ contextTokens: 256 })
    const fixed = request(raw(story), { num_predict: 5000 }, undefined, { shift: false })
    const { done } = await collect(engine.infer(fixed))
    if (done.reason === 'length') expect(done.promptTokens + done.evalTokens).toBe(256)
    else expect(done.promptTokens + done.evalTokens).toBeLessThan(256)
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

  it('goes on beyond the context where the oldest tokens may go', async () => {
    const engine = await start({ contextTokens: 256 })
    const endless = request(raw(story), { num_predict: 400, temperature: 1.5, top_k: 0, top_p: 1, seed: 3 })
    const { done, tokens } = await collect(engine.infer(endless))
    expect(done.kind).toBe('done')
    expect(tokens).toHaveLength(done.evalTokens)
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

  it('answers load without computing', async () => {
    const engine = await start()
    const { frames } = await collect(engine.infer(request({ kind: 'load' })))
    expect(frames.map((frame) => frame.kind)).toEqual(['accepted', 'done'])
    expect(frames[1]).toMatchObject({ reason: 'load' })
  })

  it('finds the prompt of the last request in its cache', async () => {
    const engine = await start()
    const first = await collect(engine.infer(request(ask('What is the capital of Norway?'), { num_predict: 5 })))
    const second = await collect(engine.infer(request(ask('What is the capital of Norway?'), { num_predict: 5 })))
    expect(first.done.cachedTokens).toBeLessThan(first.done.promptTokens / 2)
    expect(second.done.cachedTokens).toBe(first.done.promptTokens - 1)
    expect(second.text).toBe(first.text)
  })
}

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 3, maximum: 120 },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1, maxItems: 2 },
  },
  required: ['name', 'age', 'tags'],
}

function formats(start: Load, resumesFormats: boolean): void {
  const wild = { temperature: 1.5, top_k: 0, top_p: 1, num_predict: 300 }

  it('answers with a JSON object where that is the format, however the dice fall', async () => {
    const engine = await start()
    for (const seed of [1, 2, 3]) {
      const work: InferWork = { kind: 'generate', prompt: story, raw: true, format: 'json' }
      const { text, done } = await collect(engine.infer(request(work, { ...wild, temperature: 0.3, seed })))
      if (done.reason === 'stop') expect(JSON.parse(text)).toBeTypeOf('object')
      else expect(text).toMatch(/^\s*\{/)
    }
  })

  it('answers with what a schema allows, however the dice fall', async () => {
    const engine = await start()
    for (const seed of [1, 2, 3, 4, 5]) {
      const work: InferWork = { kind: 'generate', prompt: story, raw: true, format: schema }
      const { text, done } = await collect(engine.infer(request(work, { ...wild, seed })))
      expect(done.reason).toBe('stop')
      const value = JSON.parse(text)
      expect(Object.keys(value)).toEqual(['name', 'age', 'tags'])
      expect(value.name.length).toBeLessThanOrEqual(12)
      expect(Number.isInteger(value.age) && value.age >= 3 && value.age <= 120).toBe(true)
      for (const tag of value.tags) expect(['a', 'b']).toContain(tag)
    }
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

  it('refuses a format that is no schema, and says what is wrong with it', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'generate', prompt: story, raw: true, format: { type: 'nonsense' } }
    const { failed } = await collect(engine.infer(request(work)))
    expect(failed).toMatchObject({ kind: 'failed', code: 'invalid-request' })
    expect(failed.message).toMatch(/^invalid format: .*"nonsense"/)
  })

  it('shows the prompt of a request that only asks for it, and computes nothing', async () => {
    const engine = await start()
    const only = request(ask('Hello'), {}, undefined, { renderOnly: true })
    const { frames } = await collect(engine.infer(only))
    expect(frames.map(({ kind }) => kind)).toEqual(['accepted', 'rendered', 'done'])
    expect((frames[1] as Of<'rendered'>).prompt).toMatch(/Hello[\s\S]*assistant/)
  })
}

function probabilities(start: Load): void {
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
    expect(shown.tokens).toEqual(plain.tokens)
  })

  it('keeps to a format while it gives probabilities', async () => {
    const engine = await start()
    const work: InferWork = { kind: 'generate', prompt: story, raw: true, format: schema }
    const plain = await collect(engine.infer(request(work)))
    const shown = await collect(engine.infer(request(work, {}, undefined, { logprobs: 2 })))
    expect(shown.text).toBe(plain.text)
    expect(rowsOf(shown)).toHaveLength(shown.tokens.length)
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
    const { tokens } = await collect(engine.infer(request(raw(story), { num_predict: 3 })))
    expect(tokens).toHaveLength(3)
    expect(engine.load()).toEqual({ active: 0, waiting: 0, slots: 1 })
  })

  it('stops for a consumer that does not take, without stopping its neighbour', async () => {
    const engine = await start({ slots: 2, maxWaiting: 1 })
    const slow = engine.infer(request(ask('Count from 1 to 40.'), { num_predict: 200 }))
    const neighbour = await collect(engine.infer(request(ask('Count from 1 to 50.'), { num_predict: 250 })))
    expect(neighbour.done.kind).toBe('done')
    // The slow one is shorter: without back-pressure it would be over.
    expect(engine.load().active).toBe(1)
    const { done, tokens } = await collect(slow)
    expect(done.kind).toBe('done')
    expect(tokens).toHaveLength(done.evalTokens)
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
