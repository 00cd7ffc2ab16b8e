import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../../protocols/infer.ts'
import { sampleToken } from '../../../src/engine/llama/logits.ts'
import { estimateMemory } from '../../../src/engine/llama/memory.ts'
import type { ChildWork, LoadMessage, TextWork, TickMessage } from '../../../src/engine/llama/messages.ts'
import { LoadError, type LoadedModel, loadModel } from '../../../src/engine/llama/model.ts'
import { Scheduler } from '../../../src/engine/llama/scheduler.ts'
import { resolveOptions } from '../../../src/engine/options.ts'
import { tiny } from '../models.ts'

const shape = {
  fileBytes: tiny.sizeBytes,
  layers: 6,
  keyValueHeads: 4,
  keyWidth: 32,
  valueWidth: 32,
  width: 128,
  vocabulary: 1024,
}

const init: LoadMessage = {
  kind: 'load',
  path: tiny.path,
  adapters: [],
  threads: 1,
  slots: 3,
  contextTokens: 512,
  prefillTokens: 16,
  gpu: false,
  estimate: estimateMemory(shape, 512, 3),
}

/** A scheduler in this process, and what it sent. */
class Bench {
  readonly ticks: TickMessage[] = []
  readonly scheduler: Scheduler
  #heard: (() => void)[] = []
  #stream = 0

  constructor(model: LoadedModel) {
    this.scheduler = new Scheduler({
      model,
      prefillTokens: init.prefillTokens,
      send: (tick) => {
        this.ticks.push(tick)
        for (const heard of this.#heard.splice(0)) heard()
        return undefined
      },
    })
    void this.scheduler.run()
  }

  start(work: ChildWork): number {
    this.#stream += 1
    this.scheduler.start({ kind: 'start', stream: this.#stream, work })
    return this.#stream
  }

  continue(prompt: string, options: Record<string, unknown> = {}, rest: Partial<TextWork> = {}): number {
    const sampling = resolveOptions({ temperature: 0 }, options)
    const plain = { before: [], resume: [], grammarFrom: 0, shift: true, truncate: true }
    return this.start({ kind: 'text', prompt, sampling, ...plain, ...rest })
  }

  frames(stream: number): InferFrame[] {
    return this.ticks
      .flatMap((tick) => tick.streams.filter((each) => each.stream === stream))
      .flatMap((each) => each.frames)
  }

  tokens(stream: number): number[] {
    return this.frames(stream).flatMap((frame) => (frame.kind === 'token' ? frame.tokens : []))
  }

  released(stream: number): boolean {
    return this.ticks.some((tick) => tick.released.includes(stream))
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#heard.push(resolve)
      })
    }
  }

  async finish(...streams: number[]): Promise<void> {
    await this.until(() => streams.every((stream) => this.released(stream)))
  }
}

const story = 'Once upon a time'

describe('a model whose file says that no mark begins its prompts', () => {
  let folder: string
  let unmarked: LoadedModel
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'omx-unmarked-'))
    const bytes = await readFile(tiny.path)
    const key = 'tokenizer.ggml.add_bos_token'
    // After the key: its type in four bytes, then the value in one.
    const at = bytes.indexOf(key) + key.length + 4
    expect(bytes[at]).toBe(1)
    bytes[at] = 0
    const path = join(folder, 'unmarked.gguf')
    await writeFile(path, bytes)
    unmarked = await loadModel({ ...init, path, slots: 1 }, () => {})
  })
  afterAll(async () => {
    await unmarked.model.dispose()
    await rm(folder, { recursive: true })
  })

  it('has one only where the template writes it', async () => {
    expect(unmarked.vocabulary.addsBos).toBe(false)
    const [mark, ...rest] = unmarked.tokenize(`<s>${story}`, true)
    expect(unmarked.tokenize(story, true)).toEqual(rest)
    expect(unmarked.begun(rest)).toEqual(rest)
    const bench = new Bench(unmarked)
    const stream = bench.continue(`<s>${story}`, { num_predict: 1 })
    await bench.finish(stream)
    expect(bench.frames(stream).at(-1)).toMatchObject({ promptTokenIds: [mark, ...rest] })
  })
})

describe('the lock-step scheduler', () => {
  let model: LoadedModel
  beforeAll(async () => {
    const fractions: number[] = []
    model = await loadModel(init, (fraction) => fractions.push(fraction))
    expect(fractions.at(-1)).toBe(1)
  })

  it('sends one message per tick with a token of every running stream', async () => {
    const bench = new Bench(model)
    const streams = [bench.continue(story, { num_predict: 30 }), bench.continue('A node is', { num_predict: 30 })]
    await bench.finish(...streams)
    const together = bench.ticks.filter((tick) => tick.streams.length === 2)
    expect(together.length).toBeGreaterThan(20)
    for (const stream of streams) expect(bench.tokens(stream)).toHaveLength(30)
  })

  it('leaves a paused stream out of its ticks and goes on with the others', async () => {
    const bench = new Bench(model)
    const paused = bench.continue(story, { num_predict: 60 })
    await bench.until(() => bench.tokens(paused).length >= 3)
    bench.scheduler.pause(paused, true)
    const other = bench.continue('A node is', { num_predict: 40 })
    await bench.finish(other)
    const held = bench.tokens(paused).length
    expect(held).toBeLessThan(10)
    bench.scheduler.pause(paused, false)
    await bench.finish(paused)
    expect(bench.tokens(paused)).toHaveLength(60)
  })

  it('frees the sequence of a cancelled stream within one pass, in any state', async () => {
    const bench = new Bench(model)
    const running = bench.continue(story, { num_predict: 400 })
    await bench.until(() => bench.tokens(running).length >= 3)
    const preparing = bench.continue('The moon is a friend. '.repeat(40))
    await bench.until(() => bench.frames(preparing).length > 0)
    const before = bench.tokens(running).length
    bench.scheduler.cancel(running)
    bench.scheduler.cancel(preparing)
    bench.scheduler.pause(preparing, true)
    await bench.finish(running, preparing)
    expect(bench.tokens(running).length - before).toBeLessThanOrEqual(2)
    expect(bench.frames(preparing).every((frame) => frame.kind === 'progress')).toBe(true)
    bench.scheduler.cancel(running)
    bench.scheduler.pause(running, true)
    const three = [1, 2, 3].map(() => bench.continue(story, { num_predict: 2 }))
    await bench.finish(...three)
    for (const stream of three) expect(bench.frames(stream).at(-1)).toMatchObject({ kind: 'done', evalTokens: 2 })
  })

  it('takes turns between the chunks of two prompts', async () => {
    const bench = new Bench(model)
    const long = 'The sun is a star. '.repeat(40)
    const streams = [
      bench.continue(long, { num_predict: 1 }),
      bench.continue('Hello, moon. '.repeat(30), { num_predict: 1 }),
    ]
    await bench.finish(...streams)
    const order = bench.ticks.flatMap((tick) => tick.streams.map((each) => each.stream)).slice(0, 6)
    expect(order).toEqual([1, 2, 1, 2, 1, 2])
  })

  it('says why a stream could not be computed, and frees it', async () => {
    const bench = new Bench(model)
    const long: ChildWork = {
      kind: 'embed',
      input: ['a', 'word '.repeat(800)],
      truncate: false,
      dimensions: 0,
      normalize: true,
    }
    for (const [stream, code] of [
      [bench.continue('word '.repeat(800), {}, { shift: false }), 'context-exceeded'],
      [bench.start(long), 'context-exceeded'],
    ] as const) {
      await bench.finish(stream)
      expect(bench.frames(stream).at(-1)).toMatchObject({ kind: 'failed', code })
    }
  })

  it('ends at once where the resumed answer is already as long as it may be', async () => {
    const bench = new Bench(model)
    const stream = bench.continue(story, { num_predict: 3 }, { resume: [5, 6, 7] })
    await bench.finish(stream)
    expect(bench.frames(stream)).toMatchObject([{ kind: 'done', reason: 'length', evalTokens: 3 }])
  })

  it('embeds between the ticks of running answers', async () => {
    const bench = new Bench(model)
    const answer = bench.continue(story, { num_predict: 60 })
    const work: ChildWork = {
      kind: 'embed',
      input: ['a fox', 'a moon'],
      truncate: true,
      dimensions: 0,
      normalize: false,
    }
    const embedding = bench.start(work)
    await bench.finish(embedding, answer)
    const kinds = bench.frames(embedding).map((frame) => frame.kind)
    expect(kinds).toEqual(['embedding', 'embedding', 'done'])
    expect(bench.tokens(answer)).toHaveLength(60)
  })

  describe('honours every option of sampling:', () => {
    const said = async (options: Record<string, unknown>, rest: Partial<TextWork> = {}): Promise<string> => {
      const bench = new Bench(model)
      const stream = bench.continue(story, { temperature: 1.5, num_predict: 24, top_k: 0, top_p: 1, ...options }, rest)
      await bench.finish(stream)
      return bench.tokens(stream).join(' ')
    }
    const seeds = [1, 2, 3]
    const saidBy = async (options: Record<string, unknown>, rest: Partial<TextWork> = {}) => {
      const texts: string[] = []
      for (const seed of seeds) texts.push(await said({ ...options, seed }, rest))
      return texts
    }

    it('a seed says what comes, and another seed something else', async () => {
      const texts = await saidBy({})
      expect(new Set(texts).size).toBe(seeds.length)
      expect(await saidBy({})).toEqual(texts)
    })

    it.each([{ top_k: 1 }, { top_p: 1e-6 }, { min_p: 1 }, { temperature: 0 }])(
      '%j leaves the likeliest token alone',
      async (options) => {
        const likeliest = await said({ temperature: 0 })
        for (const text of await saidBy(options)) expect(text).toBe(likeliest)
      },
    )

    it('typical_p leaves what is least surprising, whatever the seed', async () => {
      const texts = await saidBy({ typical_p: 1e-9 })
      expect(new Set(texts).size).toBe(1)
      expect(texts[0]).not.toBe(await said({ temperature: 0 }))
      expect(await saidBy({ typical_p: 1 })).toEqual(await saidBy({}))
      const some = await saidBy({ typical_p: 0.5 })
      expect(await saidBy({ typical_p: 0.5 })).toEqual(some)
      expect(some).not.toEqual(await saidBy({}))
    })

    it('typical_p holds within a format, and where probabilities are wanted', async () => {
      const json = { format: 'json' } as const
      const of = (typical_p: number) => saidBy({ typical_p, num_predict: 12 }, json)
      expect(await of(1e-9)).not.toEqual(await of(1))
      expect(await of(1e-9)).toEqual(await of(1e-9))
      expect(await said({ typical_p: 1e-9, seed: 1 }, { logprobs: 0 })).toBe(await said({ typical_p: 1e-9, seed: 1 }))
    })

    describe('typical_p within a format, where what is drawn freely is mostly not allowed:', () => {
      const format = { enum: [1, 22, 333, 'four', 'five', null, true] }
      const text = (token: number) => model.detokenize([token], [])
      const starts = format.enum.map((value) => JSON.stringify(value))
      const first = async (options: Record<string, unknown>) => {
        const bench = new Bench(model)
        const stream = bench.continue(story, { temperature: 1.5, num_predict: 1, ...options }, { format })
        await bench.finish(stream)
        return bench.tokens(stream)[0] as number
      }
      let logits: ReadonlyMap<number, number>
      let allowed: ReadonlyMap<number, number>
      beforeAll(async () => {
        const [last, ...before] = model.tokenize(story, true).toReversed()
        const sequence = model.sequences[0] as (typeof model.sequences)[0]
        await sequence.clearHistory()
        const input = [...before.toReversed(), [last, { generateNext: { logits: true } }]]
        logits = (await sequence.controlledEvaluate(input as never)).at(-1)?.next.logits ?? new Map()
        await sequence.clearHistory()
        const fits = (token: number) => text(token) !== '' && starts.some((start) => start.startsWith(text(token)))
        allowed = new Map([...logits].filter(([token]) => fits(token)))
      })
      /** Every token with its share of a thousand even draws. */
      const shares = (of: ReadonlyMap<number, number>, options: Record<string, unknown>) => {
        const sampling = resolveOptions({ temperature: 1.5 }, options)
        const found = new Map<number, number>()
        for (let at = 0; at < 1000; at++) {
          const token = sampleToken(of, sampling, [], () => (at + 0.5) / 1000)
          found.set(token, (found.get(token) ?? 0) + 1 / 1000)
        }
        return found
      }

      it('the most typical of what is allowed is what is said, whatever the seed', async () => {
        const [[expected] = [-1]] = shares(allowed, { typical_p: 1e-9 })
        const likeliest = [...allowed].toSorted(([, a], [, b]) => b - a)[0]?.[0]
        expect(expected).not.toBe(likeliest)
        for (const seed of seeds) expect(await first({ typical_p: 1e-9, seed })).toBe(expected)
      })

      it('all of the sampler applies to what is allowed, as to all', async () => {
        const options = { typical_p: 0.6, top_k: 6, top_p: 0.95, min_p: 0.02 }
        const [free, masked] = [shares(logits, options), shares(allowed, options)]
        const refused = [...free].reduce((sum, [token, share]) => (allowed.has(token) ? sum : sum + share), 0)
        expect(refused).toBeGreaterThan(0.5)
        expect(masked.size).toBeGreaterThan(1)
        const draws = 400
        const drawn = new Map<number, number>()
        for (let seed = 0; seed < draws; seed++) {
          const token = await first({ ...options, seed })
          drawn.set(token, (drawn.get(token) ?? 0) + 1 / draws)
        }
        const expected = (token: number) =>
          (allowed.has(token) ? (free.get(token) ?? 0) : 0) + refused * (masked.get(token) ?? 0)
        for (const token of new Set([...masked.keys(), ...drawn.keys()])) {
          const share = expected(token)
          const spread = Math.sqrt((share * (1 - share)) / draws)
          expect(Math.abs((drawn.get(token) ?? 0) - share), text(token)).toBeLessThanOrEqual(4 * spread)
        }
      })
    })

    it.each([{ repeat_penalty: 2 }, { presence_penalty: 2 }, { frequency_penalty: 2 }])(
      '%j counts the last repeat_last_n tokens: none, some or all',
      async (penalty) => {
        const plain = await said({ temperature: 0, num_predict: 120 })
        const of = (repeat_last_n: number) => said({ temperature: 0, num_predict: 120, ...penalty, repeat_last_n })
        expect(await of(0)).toBe(plain)
        expect(await of(64)).not.toBe(plain)
        expect(await of(-1)).not.toBe(plain)
      },
    )

    it('num_keep says how much of a long beginning stays', async () => {
      const kept = async (num_keep: number) => {
        const bench = new Bench(model)
        const stream = bench.continue('One two three four five six seven. '.repeat(100), { num_keep, num_predict: 1 })
        await bench.finish(stream)
        const done = bench.frames(stream).at(-1)
        return done?.kind === 'done' ? done.promptTokens : undefined
      }
      // Half of what is not kept is free for the answer; the mark of the beginning is kept beside what is to be.
      expect(await kept(0)).toBe(512 - (511 >> 1))
      expect(await kept(100)).toBe(512 - (411 >> 1))
      expect(await kept(-1)).toBe(511)
    })
  })

  it('hands on a conversation without the mark that it puts before it, and takes it back with or without', async () => {
    const bench = new Bench(model)
    const first = bench.continue(story, { num_predict: 4 })
    await bench.finish(first)
    const done = bench.frames(first).at(-1)
    if (done?.kind !== 'done' || done.promptTokenIds === undefined) throw new Error('no tokens')
    const mark = model.begun([])
    expect(mark).toHaveLength(1)
    expect(done.promptTokenIds).toEqual(model.tokenize(story, false))
    expect(done.promptTokens).toBe(done.promptTokenIds.length + 1)
    const context = [...done.promptTokenIds, ...bench.tokens(first)]
    const again = [context, [...mark, ...context]].map((before) =>
      bench.continue(' and', { num_predict: 1 }, { before }),
    )
    await bench.finish(...again)
    const [bare, marked] = again.map((stream) => bench.frames(stream).at(-1))
    expect(bare).toMatchObject({ promptTokens: context.length + 2, promptTokenIds: [...context, expect.any(Number)] })
    expect(marked).toMatchObject({ promptTokens: context.length + 2 })
    expect(bench.tokens(again[0] as number)).toEqual(bench.tokens(again[1] as number))
  })

  it('begins a prompt once, whether its template writes the mark or not', async () => {
    const bench = new Bench(model)
    const { bosToken, addsBos } = model.vocabulary
    expect([bosToken, addsBos]).toEqual(['<s>', true])
    const streams = [story, `${bosToken}${story}`].map((prompt) => bench.continue(prompt, { num_predict: 6 }))
    await bench.finish(...streams)
    const [bare, marked] = streams.map((stream) => bench.frames(stream).at(-1))
    expect(marked).toMatchObject({ promptTokens: (bare as { promptTokens: number }).promptTokens })
    expect(bench.tokens(streams[1] as number)).toEqual(bench.tokens(streams[0] as number))
  })

  it('samples with penalties, a seed and without one', async () => {
    const bench = new Bench(model)
    const hot = { temperature: 1.2, num_predict: 20, repeat_penalty: 1.3, repeat_last_n: -1 }
    const streams = [
      bench.continue(story, { ...hot, seed: 5 }),
      bench.continue(story, { ...hot, seed: 5 }),
      bench.continue(story, hot),
    ]
    await bench.finish(...streams)
    const [first, second, third] = streams.map((stream) => bench.tokens(stream))
    expect(first).toEqual(second)
    expect(third).toHaveLength(20)
  })

  it('refuses what does not fit or is no model', async () => {
    const huge = { ...init.estimate, totalBytes: 2 ** 60 }
    await expect(loadModel({ ...init, estimate: huge }, () => {})).rejects.toMatchObject({
      code: 'insufficient-memory',
    })
    await expect(loadModel({ ...init, path: import.meta.filename }, () => {})).rejects.toBeInstanceOf(LoadError)
  })
})
