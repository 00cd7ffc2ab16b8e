import { describe, expect, it } from 'vitest'
import { Rate } from '../../src/registry/rate.ts'
import { outcome } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { modelOf, place } from './place.ts'
import { TestRegistry } from './server.ts'

const chunkBytes = 65_536

/** Some that take chunks as fast as they may, and what each has taken at which time. */
function takers(count: number, bytesPerSecond: number) {
  const clock = new SimulatedWorld(1)
  const rate = new Rate({ bytesPerSecond, clock })
  const stop = new AbortController()
  const taken: { readonly by: number; readonly atMs: number }[] = []
  const take = async (by: number) => {
    while (!stop.signal.aborted) {
      taken.push({ by, atMs: clock.monotonicMs() })
      await rate.take(chunkBytes, stop.signal)
    }
  }
  const ends = Array.from({ length: count }, (_, by) => outcome(take(by)))
  const bytesWithin = (fromMs: number, toMs: number) =>
    taken.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length * chunkBytes
  return { clock, rate, stop, taken, ends, bytesWithin }
}

describe('the rate of all downloads together', () => {
  it('is held by any number of them, smoothly, and shared fairly', async () => {
    const { clock, taken, bytesWithin, stop } = takers(24, 10_000_000)
    await clock.run(10_000)
    // In no second more than that, but what each has in its hands.
    for (let second = 0; second < 10; second++) {
      const bytes = bytesWithin(second * 1000, (second + 1) * 1000)
      expect(bytes).toBeGreaterThan(9_900_000)
      expect(bytes).toBeLessThan(10_000_000 + 25 * chunkBytes)
    }
    for (let tenth = 10; tenth < 100; tenth++) {
      expect(Math.abs(bytesWithin(tenth * 100, (tenth + 1) * 100) - 1_000_000)).toBeLessThanOrEqual(chunkBytes)
    }
    const shares = Array.from({ length: 24 }, (_, by) => taken.filter((each) => each.by === by).length)
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
    stop.abort()
  })

  it('makes up for timers that are late, but not for a pause', async () => {
    const clock = new SimulatedWorld(1)
    const rate = new Rate({ bytesPerSecond: 1_000_000, clock })
    const { signal } = new AbortController()
    await clock.run(60_000)
    const first = outcome(rate.take(100_000, signal).then(() => 'soon'))
    const second = outcome(rate.take(500_000, signal).then(() => 'later'))
    await clock.run(1)
    expect([first.value, second.value]).toEqual(['soon', undefined])
    await clock.run(498)
    expect(second.value).toBeUndefined()
    await clock.run(2)
    expect(second.value).toBe('later')
  })

  it('keeps nobody waiting who goes', async () => {
    const { clock, ends, stop } = takers(3, 1)
    await clock.run(1000)
    stop.abort(new Error('gone'))
    await clock.run(0)
    for (const { reason } of ends) expect((reason as Error).message).toBe('gone')
  })

  it('of 0 is none: nothing waits', async () => {
    const clock = new SimulatedWorld(1)
    const rate = new Rate({ bytesPerSecond: 0, clock })
    for (let i = 0; i < 1000; i++) await rate.take(1e9, new AbortController().signal)
  })

  it('slows a pull down, and a pull that waits for its turn has not stalled', async () => {
    const server = await TestRegistry.start()
    const model = await modelOf(1_700_000)
    const [digest = ''] = server.add('slow', model)
    // A chunk's turn is longer than the silence that is a stall.
    const { run } = await place({ maxSilenceMs: 120, bytesPerSecond: 400_000 })
    const startMs = performance.now()
    await run(`${server.url}/library/slow`)
    expect(performance.now() - startMs).toBeGreaterThan(3900)
    expect(server.asked.filter(({ line }) => line === `GET /storage/${digest}`)).toHaveLength(1)
  })
})
