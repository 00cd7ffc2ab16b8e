import { describe, expect, it, vi } from 'vitest'
import { scriptOf } from './shrink.ts'
import { simulate } from './simulate.ts'

describe('a run', () => {
  it('has the same history for the same seed, line by line, and another for another', async () => {
    const lines = async (seed: number): Promise<string> =>
      (await simulate({ seed, script: scriptOf(seed), keepLines: true })).lines.join('\n')
    const first = await lines(7)
    expect(first.split('\n').length).toBeGreaterThan(1000)
    expect(await lines(7)).toBe(first)
    expect(await lines(8)).not.toBe(first)
  })

  it('asks the real world for no timer and no time', async () => {
    const asked = [
      vi.spyOn(globalThis, 'setTimeout'),
      vi.spyOn(globalThis, 'setInterval'),
      vi.spyOn(performance, 'now'),
    ]
    try {
      for (const seed of [7, 8]) await simulate({ seed, script: scriptOf(seed) })
      for (const spy of asked) expect(spy).not.toHaveBeenCalled()
    } finally {
      for (const spy of asked) spy.mockRestore()
    }
  })

  it('breaks nothing when nothing happens to it', async () => {
    const { violations, virtualMs } = await simulate({ seed: 1, script: [] })
    expect(violations).toEqual([])
    expect(virtualMs).toBeLessThan(30_000)
  })

  it('says what was broken, when, and by which rule', async () => {
    const impatient = {
      name: 'impatient',
      invariant: 'nothing takes longer than ten seconds',
      sometimes: [],
      start: ({ cluster, broken }: { cluster: { world: { monotonicMs(): number } }; broken(what: string): void }) => ({
        onTick: () => {
          if (cluster.world.monotonicMs() > 10_000) broken('it is still going on')
        },
      }),
    }
    const { violations } = await simulate({ seed: 1, script: [], checkers: [impatient] })
    expect(violations).toEqual([
      { checker: 'impatient', invariant: impatient.invariant, message: 'it is still going on', atMs: 10_500 },
    ])
  })
})
