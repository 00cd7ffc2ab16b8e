import { expect, it } from 'vitest'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import type { SimOptions } from '../../src/engine/sim.ts'
import { collect, raw, request, settings, takeUntil } from './collect.ts'
import { compliance } from './compliance.ts'
import { tiny } from './models.ts'

async function start(options: SimOptions = {}, overrides = {}): Promise<LoadedEngine> {
  return await createDriver({ name: 'sim' }, { sim: options }).load(
    tiny,
    { ...settings, ...overrides },
    new AbortController().signal,
  )
}

compliance('sim', (overrides) => start({}, overrides))

/** A clock that moves only when told to. */
class ManualClock {
  #nowMs = 0
  #next = 0
  readonly #timers = new Map<number, { atMs: number; run: () => void }>()

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimeout(run: () => void, delayMs: number): number {
    this.#timers.set(this.#next, { atMs: this.#nowMs + delayMs, run })
    return this.#next++
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number)
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers]
        .filter(([, timer]) => timer.atMs <= endMs)
        .sort(([, a], [, b]) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers.delete(due[0])
      this.#nowMs = due[1].atMs
      due[1].run()
    }
    this.#nowMs = endMs
  }

  get waiting(): number {
    return this.#timers.size
  }
}

it('produces tokens at the given speed of the given clock', async () => {
  const clock = new ManualClock()
  const engine = await start({ tokensPerSecond: 50, clock })
  const iterator = engine.infer(request(raw('go'), { num_predict: 40 }))[Symbol.asyncIterator]()
  await iterator.next()
  clock.advance(200)
  const { value } = await iterator.next()
  expect(value.flatMap((frame: { tokens: number[] }) => frame.tokens)).toHaveLength(10)
  clock.advance(600)
  const rest = await iterator.next()
  expect(rest.value.at(-1)).toMatchObject({ kind: 'done', evalTokens: 40, evalNs: 780_000_000 })
  expect(clock.waiting).toBe(0)
})

it('takes the time of a load and of a prompt, and shows the progress of the prompt', async () => {
  const clock = new ManualClock()
  const driver = createDriver({ name: 'sim' }, { sim: { loadMs: 500, prefillTokensPerSecond: 100, clock } })
  const loading = driver.load(tiny, settings, new AbortController().signal)
  clock.advance(500)
  const engine = await loading
  const stream = engine.infer(request(raw('word '.repeat(80).trim()), { num_predict: 1 }))
  clock.advance(800)
  const { frames } = await collect(stream)
  expect(frames.filter((frame) => frame.kind === 'progress').map((frame) => frame.done)).toEqual([32, 64, 80])
})

it('stops a load when the signal is aborted', async () => {
  const clock = new ManualClock()
  const stop = new AbortController()
  const loading = createDriver({ name: 'sim' }, { sim: { loadMs: 500, clock } }).load(tiny, settings, stop.signal)
  stop.abort()
  await expect(loading).rejects.toMatchObject({ name: 'EngineError', code: 'load-failed' })
  expect(clock.waiting).toBe(0)
})

it('tells a waiting request its place while it waits', async () => {
  const clock = new ManualClock()
  const engine = await start({ tokensPerSecond: 1, clock }, { slots: 1 })
  void engine.infer(request(raw('first')))
  const iterator = engine.infer(request(raw('second')))[Symbol.asyncIterator]()
  await iterator.next()
  clock.advance(500)
  expect((await iterator.next()).value).toEqual([{ kind: 'progress', phase: 'queued', done: 0, total: 1 }])
  await engine.close()
  expect(clock.waiting).toBe(0)
})

it('crashes on demand: every stream ends at once, and the end has a reason', async () => {
  const engine = await start({ faults: { crashAfterTokens: 100 } })
  const streams = [1, 2, 3].map((at) => collect(engine.infer(request(raw(`go ${at}`), { num_predict: 60 }))))
  const outcomes = await Promise.all(streams)
  expect(outcomes.map(({ last }) => last?.kind)).toEqual(['done', 'failed', 'refused'])
  expect(outcomes[1]?.failed.code).toBe('engine-crashed')
  expect(await engine.ended).toMatchObject({ name: 'EngineCrashed' })
})

it('falls silent on demand, and can still be cancelled', async () => {
  const engine = await start({ faults: { stallAfterTokens: 3 } })
  const iterator = engine.infer(request(raw('go'), { num_predict: 60 }))[Symbol.asyncIterator]()
  const seen = await takeUntil(iterator, (frame) => frame.kind === 'token')
  expect(seen.filter((frame) => frame.kind === 'token')).toHaveLength(3)
  expect(engine.load().active).toBe(1)
  await iterator.return?.()
  expect(engine.load().active).toBe(0)
})

it('refuses and fails to load on demand', async () => {
  const engine = await start({ faults: { refuse: 'draining' } })
  expect((await collect(engine.infer(request(raw('go'))))).last).toMatchObject({ kind: 'refused', reason: 'draining' })
  await expect(start({ faults: { loadFails: 'insufficient-memory' } })).rejects.toMatchObject({
    name: 'EngineError',
    code: 'insufficient-memory',
  })
})
