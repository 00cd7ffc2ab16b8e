import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AcquireRefusal } from '../../actors/worker.ts'
import type { Message } from '../../protocols/ref.ts'
import { createServe } from '../../src/engine/serve.ts'
import type { SimOptions } from '../../src/engine/sim.ts'
import { request, Stable } from './stable.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Serves with a worker that answers when the test says so. */
function serving(sim: SimOptions = {}, stallMs?: number) {
  const stable = new Stable(sim)
  const told: Array<{ readonly to: string } & Message> = []
  const asked: Array<(refusal?: AcquireRefusal) => void> = []
  const serve = createServe({
    engines: stable.engines,
    acquire: () => new Promise((resolve) => void asked.push(resolve)),
    tell: (to, message) => {
      told.push({ to, ...message })
      stable.runtime.tell(to, message)
    },
    ...(stallMs === undefined ? {} : { stallMs }),
  })
  /** Time passes for the engine, for timers and for promises. */
  const run = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      vi.advanceTimersByTime(Math.min(100, left))
      await stable.world.run(Math.min(100, left))
    }
  }
  const uses = () => told.map(({ type }) => type).filter((type) => type.startsWith('request.'))
  return { ...serve, stable, told, asked, run, uses }
}

describe('a request of this node', () => {
  it('goes straight to an engine that is ready, and the engine hears when it starts and when it ends', async () => {
    const { own, stable, asked, told, run } = serving()
    await stable.start()
    const load = stable.engines.get('d')?.load
    const seen = stable.read(own(request({ keepAliveMs: 5 })))
    await run(100)
    expect(asked).toEqual([])
    expect(seen.frames.map(({ kind }) => kind)).toEqual([
      'accepted',
      ...seen.frames.slice(1, -1).map(() => 'token'),
      'done',
    ])
    expect(told).toEqual([
      { to: 'n/node/engines/d', type: 'request.started', load, keepAliveMs: 5 },
      { to: 'n/node/engines/d', type: 'request.ended', load },
    ])
  })

  it('asks the worker for a model that is not loaded, and says every second that it waits', async () => {
    const { own, stable, asked, run } = serving()
    const seen = stable.read(own(request()))
    await run(2500)
    expect(asked).toHaveLength(1)
    expect(seen.frames).toEqual([
      { kind: 'progress', phase: 'loading', done: 0, total: 0 },
      { kind: 'progress', phase: 'loading', done: 0, total: 0 },
    ])
    await stable.start()
    asked[0]?.()
    await run(100)
    const last = seen.frames.at(-1)
    expect(last).toMatchObject({ kind: 'done' })
    expect(last?.kind === 'done' && last.loadNs).toBeGreaterThan(2.4e9)
  })

  it.each(['busy', 'draining', 'no-such-model', 'insufficient-memory'] as const)(
    'that the worker does not take (%s) is refused, so that another holder is tried',
    async (code) => {
      const { own, stable, asked, run, uses } = serving()
      const seen = stable.read(own(request()))
      asked[0]?.({ type: 'worker.refused', code, message: 'said the worker' })
      await run(10)
      expect(seen.frames).toMatchObject([{ kind: 'refused', reason: code, message: 'said the worker' }])
      expect(seen.ended).toBe(true)
      expect(uses()).toEqual([])
    },
  )

  it.each(['model-unusable', 'load-failed'] as const)(
    'whose model cannot be loaded (%s) fails with it',
    async (code) => {
      const { own, stable, asked, run } = serving()
      const seen = stable.read(own(request()))
      asked[0]?.({ type: 'worker.refused', code, message: 'said the worker' })
      await run(10)
      expect(seen.frames).toMatchObject([{ kind: 'failed', code, message: 'said the worker' }])
    },
  )

  it('whose engine is gone, or loaded otherwise, when its turn comes asks again, and after three times is refused', async () => {
    const { own, stable, asked, run } = serving()
    const seen = stable.read(own(request()))
    for (let time = 0; time < 3; time++) {
      expect([asked.length, seen.frames]).toEqual([time + 1, []])
      asked[time]?.()
      await run(10)
    }
    expect(seen.frames).toMatchObject([{ kind: 'refused', reason: 'busy' }])
  })

  it('that is left while it waits for its model starts nothing when that is ready', async () => {
    const { own, stable, asked, run, uses } = serving()
    const frames = own(request())[Symbol.asyncIterator]()
    const first = frames.next()
    await frames.return?.()
    await stable.start()
    asked[0]?.()
    await run(100)
    expect(await first).toMatchObject({ done: true })
    expect(uses()).toEqual([])
    expect(stable.engines.activeTasks).toBe(0)
  })

  it('that is left while it is computed frees its slot at once, and the engine hears once that it ended', async () => {
    const { own, stable, run, uses } = serving({ tokensPerSecond: 10 })
    await stable.start()
    const frames = own(request({ options: { num_predict: 100 } }))[Symbol.asyncIterator]()
    await frames.next()
    await run(300)
    expect(stable.engines.activeTasks).toBe(1)
    await frames.return?.()
    await frames.return?.()
    await run(10)
    expect(stable.engines.activeTasks).toBe(0)
    expect(uses()).toEqual(['request.started', 'request.ended'])
  })
})

it('a request of another node asks the worker also when the engine is ready: it may be leaving', async () => {
  const { foreign, stable, asked, run } = serving()
  await stable.start()
  const seen = stable.read(foreign(request()))
  await run(10)
  expect(asked).toHaveLength(1)
  expect(seen.frames).toEqual([])
  asked[0]?.({ type: 'worker.refused', code: 'draining', message: 'leaving' })
  await run(10)
  expect(seen.frames).toMatchObject([{ kind: 'refused', reason: 'draining' }])
})

describe('an engine that falls silent', () => {
  it('is a failure for who waits, and a crash of its actor, so that it is started anew', async () => {
    const { own, stable, run, uses } = serving({ faults: { stallAfterTokens: 1 }, tokensPerSecond: 100 }, 2000)
    await stable.start()
    const seen = stable.read(own(request()))
    await run(1500)
    expect(seen.frames.at(-1)).toMatchObject({ kind: 'token' })
    await run(3000)
    expect(seen.frames.at(-1)).toMatchObject({ kind: 'failed', code: 'stalled' })
    expect(seen.ended).toBe(true)
    expect(stable.heard('engine.loading')).toHaveLength(2)
    expect(stable.state()).toMatch(/^ready/)
    expect(uses()).toEqual(['request.started', 'request.ended'])
  })

  it('is not blamed for a client that takes nothing', async () => {
    const { own, stable, run } = serving({ tokensPerSecond: 100 }, 2000)
    await stable.start()
    const frames = own(request())[Symbol.asyncIterator]()
    await frames.next()
    await run(10_000)
    expect(stable.heard('engine.loading')).toHaveLength(1)
    await frames.return?.()
  })
})
