import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Claim, fingerprint, isRumour, merge, supersedes } from '../../actors/claims.ts'

const claim: fc.Arbitrary<Claim> = fc.record({
  node: fc.constant('p'),
  incarnation: fc.integer({ min: 0, max: 3 }),
  status: fc.constantFrom('alive', 'suspect', 'unreachable', 'departed'),
})

const at = (incarnation: number, status: Claim['status']): Claim => ({ node: 'p', incarnation, status })

describe('two claims about one node', () => {
  it('merge in any order, any grouping and any number of times into the same', () => {
    fc.assert(
      fc.property(claim, claim, claim, (a, b, c) => {
        expect(merge(a, b)).toEqual(merge(b, a))
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)))
        expect(merge(merge(a, b), b)).toEqual(merge(a, b))
      }),
    )
  })

  it('merge into one of them, and never into an older incarnation', () => {
    fc.assert(
      fc.property(claim, claim, (a, b) => {
        const merged = merge(a, b)
        expect([a, b]).toContainEqual(merged)
        expect(merged.incarnation).toBe(Math.max(a.incarnation, b.incarnation))
      }),
    )
  })

  it('at one incarnation the graver counts; only a higher incarnation refutes it', () => {
    const order = ['alive', 'suspect', 'unreachable', 'departed'] as const
    order.forEach((graver, index) => {
      for (const lighter of order.slice(0, index)) expect(merge(at(1, lighter), at(1, graver)).status).toBe(graver)
      expect(merge(at(1, graver), at(2, 'alive')).status).toBe('alive')
      expect(supersedes(at(1, graver), at(2, 'alive'))).toBe(false)
    })
  })
})

it('others hear of accusations and of their end, not of those who merely live', () => {
  expect(isRumour(at(1, 'suspect'), at(1, 'alive'))).toBe(true)
  expect(isRumour(at(2, 'alive'), at(1, 'departed'))).toBe(true)
  expect(isRumour(at(2, 'alive'), at(1, 'alive'))).toBe(false)
  expect(isRumour(at(1, 'alive'), undefined)).toBe(false)
})

describe('a fingerprint', () => {
  const rows = fc.uniqueArray(fc.record({ node: fc.string(), version: fc.nat() }), { selector: ({ node }) => node })
  const full = (row: { node: string; version: number }) => ({ ...row, incarnation: 1, status: 'alive' as const })

  it('does not depend on the order of the rows', () => {
    fc.assert(
      fc.property(rows, (some) => {
        expect(fingerprint(some.toReversed().map(full))).toBe(fingerprint(some.map(full)))
      }),
    )
  })

  it('changes with every field of every row', () => {
    fc.assert(
      fc.property(rows, fc.string(), (some, node) => {
        const before = fingerprint(some.map(full))
        const row = { node: `new ${node}`, incarnation: 1, status: 'alive' as const, version: 1 }
        const with1 = [...some.map(full), row]
        const variants = [
          row,
          { ...row, version: 2 },
          { ...row, incarnation: 2 },
          { ...row, status: 'suspect' as const },
        ]
        const prints = variants.map((variant) => fingerprint([...with1.slice(0, -1), variant]))
        expect(new Set([before, ...prints]).size).toBe(5)
      }),
    )
  })
})
