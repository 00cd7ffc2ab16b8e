import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Pace } from '../../src/cli/pace.ts'

/** Sees something grow at these rates a second, each for so long, ten times a second. */
function seen(pace: Pace, phases: readonly (readonly [perSecond: number, ms: number])[], start = 0): void {
  let nowMs = 0
  let completed = start
  for (const [perSecond, ms] of phases) {
    for (const endMs = nowMs + ms; nowMs < endMs; ) {
      nowMs += 100
      completed += perSecond / 10
      pace.see(completed, nowMs)
    }
  }
}

it('says nothing before there is something to compare', () => {
  const pace = new Pace(0)
  seen(pace, [[1_000, 900]])
  expect(pace.perSecond).toBeUndefined()
})

it('does not take what is there from the start for something that came', () => {
  const pace = new Pace(0)
  pace.see(0, 0)
  seen(pace, [[1_000, 5_000]], 2_000_000_000)
  expect(pace.perSecond).toBeCloseTo(1_000)
})

it('forgets within ten seconds how fast it was', () => {
  const pace = new Pace(0)
  seen(pace, [
    [1_000_000, 60_000],
    [500, 10_500],
  ])
  expect(pace.perSecond).toBeCloseTo(500)
  const stalled = new Pace(0)
  seen(stalled, [
    [1_000_000, 60_000],
    [0, 10_500],
  ])
  expect(stalled.perSecond).toBe(0)
})

it('measures anew what begins anew', () => {
  const pace = new Pace(0)
  seen(pace, [[1_000, 5_000]])
  pace.see(0, 6_000)
  expect(pace.perSecond).toBeUndefined()
})

it('is never negative and never beyond the fastest that was seen', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1_000_000), fc.integer({ min: 1, max: 2_000 }))), (steps) => {
      const pace = new Pace(0)
      let nowMs = 0
      let completed = 0
      for (const [bytes, ms] of steps) {
        nowMs += ms
        completed += bytes
        pace.see(completed, nowMs)
        expect(pace.perSecond ?? 0).toBeGreaterThanOrEqual(0)
        expect(pace.perSecond ?? 0).toBeLessThanOrEqual((completed * 1_000) / 500)
      }
    }),
  )
})
