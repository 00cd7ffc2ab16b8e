import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Drill, type Report, type Step, scripts } from './drill.ts'

const runs = 200

/** One script with everything in it. */
const storm: Step[] = [
  { kind: 'watch', atMs: 0, node: 'a', other: 'b' },
  { kind: 'watch', atMs: 0, node: 'b', other: 'c' },
  { kind: 'watch', atMs: 0, node: 'c', other: 'a' },
  ...Array.from({ length: 50 }, (_, i): Step => {
    const from = (['a', 'b', 'c'] as const)[i % 3] ?? 'a'
    return { kind: 'heartbeats', atMs: i * 30, node: from, other: from === 'a' ? 'b' : 'a', waitMs: 0 }
  }),
  { kind: 'break', atMs: 100, node: 'a', other: 'b' },
  { kind: 'crashWatched', atMs: 110, node: 'b' },
  { kind: 'isolate', atMs: 400, node: 'c', forMs: 1500 },
  { kind: 'flood', atMs: 500, node: 'a' },
  { kind: 'restartNode', atMs: 1000, node: 'b', forMs: 100 },
]

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, count) => total + count, 0)

describe('a cluster under faults', () => {
  it('yields exactly one actor.down for each watch, and loses no message without a trace, whatever the faults', async () => {
    const seen: Report[] = []
    await fc.assert(
      fc.asyncProperty(scripts, fc.nat(), async (script, seed) => {
        const report = await new Drill(seed).run(script)
        seen.push(report)
        expect(report.broken).toEqual([])
        const { told, handled, dead, waiting, tally } = report
        expect(handled + sum(dead) + waiting + tally.vanished).toBe(told + tally.duplicated)
      }),
      { numRuns: runs },
    )
    // Faults that never happened prove nothing.
    const total = (counts: (report: Report) => Record<string, number>): Record<string, number> => {
      const totals: Record<string, number> = {}
      for (const [name, count] of seen.flatMap((report) => Object.entries(counts(report)))) {
        if (count > 0) totals[name] = (totals[name] ?? 0) + count
      }
      return totals
    }
    expect(Object.keys(total(({ notices }) => notices)).sort()).toEqual(['absent', 'crash', 'shutdown', 'unreachable'])
    expect(Object.keys(total(({ dead }) => dead)).sort()).toEqual(['absent', 'expired', 'full', 'unreachable'])
    expect(Object.keys(total(({ tally }) => ({ ...tally }))).sort()).toEqual([
      'delivered',
      'duplicated',
      'reported',
      'taken',
      'vanished',
    ])
  })

  it('has the same history for the same seed and another for another', async () => {
    const history = async (seed: number) => (await new Drill(seed).run(storm)).history
    const first = await history(7)
    expect(first.length).toBeGreaterThan(1000)
    expect(await history(7)).toBe(first)
    const others = await Promise.all(Array.from({ length: 10 }, (_, i) => history(100 + i)))
    expect(new Set([first, ...others]).size).toBe(11)
  })
})
