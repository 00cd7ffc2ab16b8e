import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Exit } from '../../protocols/exit.ts'
import { type Case, defaultPolicy, judge, type Restart } from '../../src/runtime/supervise.ts'

const crash: Exit = { kind: 'crash', failure: { name: 'Error', message: 'x' } }
const policy = { ...defaultPolicy, intensity: 2, periodMs: 100, backoff: { minMs: 10, maxMs: 15, jitter: 0 } }
const base: Case = {
  policy,
  order: ['a', 'b', 'c'],
  failed: 'b',
  restart: 'transient',
  exit: crash,
  history: [],
  nowMs: 1000,
  chance: 0.5,
}

describe('the judge', () => {
  const kinds = ['permanent', 'transient', 'temporary'] as const
  const wanted: Array<[Restart, Exit['kind'], boolean]> = [
    ...kinds.map((kind): [Restart, Exit['kind'], boolean] => [kind, 'shutdown', false]),
    ['permanent', 'normal', true],
    ['transient', 'normal', false],
    ['temporary', 'normal', false],
    ['permanent', 'crash', true],
    ['transient', 'crash', true],
    ['temporary', 'crash', false],
  ]
  it.each(wanted)('judges a %s child that ended by %s: restarted is %s', (restart, kind, restarted) => {
    const exit = kind === 'crash' ? crash : ({ kind } as Exit)
    expect(judge({ ...base, restart, exit }).verdict.kind).toBe(restarted ? 'restart' : 'forget')
  })

  it('restarts the failed child alone, all of them, or it and those started after it', () => {
    const ids = (strategy: Case['policy']['strategy']) =>
      judge({ ...base, policy: { ...policy, strategy } }).verdict as { ids?: readonly string[] }
    expect(ids('one_for_one').ids).toEqual(['b'])
    expect(ids('one_for_all').ids).toEqual(['a', 'b', 'c'])
    expect(ids('rest_for_one').ids).toEqual(['b', 'c'])
  })

  it('escalates the restart after the last one that the intensity grants', () => {
    expect(judge({ ...base, history: [950] }).verdict.kind).toBe('restart')
    expect(judge({ ...base, history: [950, 960] }).verdict).toEqual({ kind: 'escalate', restarts: 2 })
  })

  it('forgets restarts that are older than the period', () => {
    expect(judge({ ...base, history: [899, 900, 960] })).toEqual({
      verdict: { kind: 'restart', ids: ['b'], afterMs: 15 },
      history: [960, 1000],
    })
  })

  it('spreads the delay by the jitter around its middle', () => {
    const jittery = { ...policy, backoff: { minMs: 10, maxMs: 100, jitter: 0.2 } }
    const delayOf = (chance: number) =>
      (judge({ ...base, policy: jittery, chance }).verdict as { afterMs: number }).afterMs
    expect(delayOf(0)).toBeCloseTo(8)
    expect(delayOf(0.5)).toBeCloseTo(10)
    expect(delayOf(0.999999)).toBeCloseTo(12)
  })

  const cases: fc.Arbitrary<Case> = fc
    .record({
      strategy: fc.constantFrom('one_for_one', 'one_for_all', 'rest_for_one'),
      intensity: fc.nat(6),
      periodMs: fc.integer({ min: 1, max: 1000 }),
      minMs: fc.integer({ min: 1, max: 100 }),
      maxMs: fc.integer({ min: 100, max: 1000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      size: fc.integer({ min: 1, max: 6 }),
      failed: fc.nat(),
      restart: fc.constantFrom(...kinds),
      exit: fc.constantFrom<Exit>(crash, { kind: 'normal' }, { kind: 'shutdown' }),
      ages: fc.array(fc.nat(2000), { maxLength: 10 }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    .map(({ strategy, intensity, periodMs, minMs, maxMs, jitter, size, failed, ages, ...rest }) => {
      const order = Array.from({ length: size }, (_, i) => `child-${i}`)
      return {
        ...rest,
        policy: { strategy, intensity, periodMs, backoff: { minMs, maxMs, jitter } } as Case['policy'],
        order,
        failed: order[failed % size] as string,
        history: ages.map((age) => 5000 - age).sort((a, b) => a - b),
        nowMs: 5000,
      }
    })

  it('never grants more restarts within a period than the intensity', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { verdict, history } = judge(c)
        expect(history.every((atMs) => c.nowMs - atMs < c.policy.periodMs)).toBe(true)
        if (verdict.kind === 'restart') expect(history.length).toBeLessThanOrEqual(c.policy.intensity)
      }),
    )
  })

  it('restarts a contiguous part of the children, in start order, with the failed one in it', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { verdict } = judge(c)
        if (verdict.kind !== 'restart') return
        const first = c.order.indexOf(verdict.ids[0] as string)
        expect(verdict.ids).toContain(c.failed)
        expect(c.order.slice(first, first + verdict.ids.length)).toEqual(verdict.ids)
      }),
    )
  })

  it('keeps the delay between the least and the most that backoff and jitter allow', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { verdict } = judge(c)
        if (verdict.kind !== 'restart') return
        const { minMs, maxMs, jitter } = c.policy.backoff
        expect(verdict.afterMs).toBeGreaterThanOrEqual(minMs * (1 - jitter))
        expect(verdict.afterMs).toBeLessThanOrEqual(maxMs * (1 + jitter))
      }),
    )
  })
})
