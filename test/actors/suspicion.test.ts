import { describe, expect, it } from 'vitest'
import { accusationMs, paceFor, raised, scoreAfterTick, silenceLimitMs, starvedMs } from '../../actors/suspicion.ts'

describe('the pace of a cluster', () => {
  it('is a full mesh up to 64 live nodes, and does not change its mind around that size', () => {
    expect(paceFor(64, 'mesh')).toBe('mesh')
    expect(paceFor(65, 'mesh')).toBe('swim')
    expect(paceFor(60, 'swim')).toBe('swim')
    expect(paceFor(47, 'swim')).toBe('mesh')
  })
})

describe("this node's own health", () => {
  it('is worse after a late timer, much worse after a very late one, and recovers with each that is in time', () => {
    expect(scoreAfterTick(0, starvedMs)).toBe(0)
    expect(scoreAfterTick(0, starvedMs + 1)).toBe(1)
    expect(scoreAfterTick(0, 3100)).toBe(4)
    expect(scoreAfterTick(4, 0)).toBe(3)
    expect(scoreAfterTick(0, 0)).toBe(0)
  })

  it('is never worse than 8', () => {
    expect(scoreAfterTick(7, 60_000)).toBe(8)
    expect(raised(8)).toBe(8)
  })

  it('makes it more patient: from a few seconds to eighteen more', () => {
    for (const pace of ['mesh', 'swim'] as const) {
      expect(accusationMs(pace, 0)).toBeLessThanOrEqual(4000)
      expect(accusationMs(pace, 8) - silenceLimitMs(pace)).toBe(18_000)
    }
  })
})
