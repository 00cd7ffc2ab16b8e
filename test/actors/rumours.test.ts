import { describe, expect, it } from 'vitest'
import type { Claim } from '../../actors/claims.ts'
import { maxRumoursPerMessage, nextRumours, noRumours, withRumours, withTold } from '../../actors/rumours.ts'

const about = (node: string, incarnation = 1): Claim => ({ node, incarnation, status: 'suspect' })

describe('rumours', () => {
  it('are told three times per doubling of the cluster, and no more', () => {
    let rumours = withRumours(noRumours, [about('p')])
    let told = 0
    while (rumours.size > 0) {
      rumours = withTold(rumours, nextRumours(rumours), 1, 100)
      told += 1
    }
    expect(told).toBe(21)
  })

  it('that were told least go first, so many in a message', () => {
    const first = Array.from({ length: maxRumoursPerMessage }, (_, index) => about(`old${index}`))
    const rumours = withTold(withRumours(noRumours, first), first, 3, 100)
    const next = nextRumours(withRumours(rumours, [about('new')]))
    expect(next).toHaveLength(maxRumoursPerMessage)
    expect(next[0]?.node).toBe('new')
  })

  it('about one node replace each other', () => {
    const rumours = withRumours(withRumours(noRumours, [about('p', 1)]), [about('p', 2)])
    expect(nextRumours(rumours)).toEqual([about('p', 2)])
  })

  it('are bounded: of too many those told most are dropped', () => {
    const old = Array.from({ length: 512 }, (_, index) => about(`old${index}`))
    const told = withTold(withRumours(noRumours, old), old.slice(0, 1), 3, 1000)
    const all = withRumours(told, [about('new')])
    expect(all.size).toBe(512)
    expect(all.has('new')).toBe(true)
    expect(all.has('old0')).toBe(false)
  })
})
