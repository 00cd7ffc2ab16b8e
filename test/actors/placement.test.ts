import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Candidate, leastConnections, unsaturated } from '../../actors/placement.ts'
import { mulberry32 } from '../sim/chance.ts'

const candidates: fc.Arbitrary<Candidate[]> = fc
  .uniqueArray(
    fc.record({
      node: fc.string({ minLength: 1, maxLength: 4 }),
      local: fc.constant(false),
      outstanding: fc.nat(12),
      ofModel: fc.nat(12),
      reported: fc.nat(12),
      window: fc.nat(12),
    }),
    { selector: ({ node }) => node, maxLength: 8 },
  )
  .chain((others) =>
    fc
      .option(fc.nat(Math.max(0, others.length - 1)))
      .map((own) => others.map((candidate, index) => ({ ...candidate, local: index === own }))),
  )

const loadOf = ({ outstanding, reported }: Candidate): number => Math.max(outstanding, reported)

const plain = (node: string, load: number, local = false): Candidate => ({
  node,
  local,
  outstanding: load,
  ofModel: load,
  reported: 0,
  window: 100,
})

describe('least connections', () => {
  it('ranks every candidate exactly once', () => {
    fc.assert(
      fc.property(candidates, fc.integer(), (given, seed) => {
        const ranked = leastConnections.rank(given, mulberry32(seed)).map(({ node }) => node)
        expect(ranked.toSorted()).toEqual(given.map(({ node }) => node).toSorted())
      }),
    )
  })

  it('puts this node first whenever no holder has less to do', () => {
    fc.assert(
      fc.property(candidates, fc.integer(), (given, seed) => {
        const own = given.find(({ local }) => local)
        fc.pre(own !== undefined)
        const first = leastConnections.rank(given, mulberry32(seed))[0]
        const least = Math.min(...given.map(loadOf))
        if (loadOf(own as Candidate) === least) expect(first?.node).toBe(own?.node)
        else expect(first?.load).toBeLessThan(Infinity)
      }),
    )
  })

  it('ranks all but the first by load', () => {
    fc.assert(
      fc.property(candidates, fc.integer(), (given, seed) => {
        const loads = leastConnections
          .rank(given, mulberry32(seed))
          .slice(1)
          .map(({ load }) => load)
        expect(loads).toEqual(loads.toSorted((a, b) => a - b))
      }),
    )
  })

  it('never begins with the most loaded of three holders or more: the better of two goes first', () => {
    const given = [plain('a', 1), plain('b', 2), plain('c', 9)]
    for (let seed = 0; seed < 200; seed++) {
      expect(leastConnections.rank(given, mulberry32(seed))[0]?.node).not.toBe('c')
    }
  })

  it('spreads requests of entry nodes that know the same over several holders', () => {
    const given = [plain('a', 1), plain('b', 2), plain('c', 3), plain('d', 4)]
    const firsts = new Set(
      Array.from({ length: 100 }, (_, seed) => leastConnections.rank(given, mulberry32(seed))[0]?.node),
    )
    expect([...firsts].toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('believes the larger of what it sent itself and what was reported', () => {
    const busy = { ...plain('a', 0), reported: 5 }
    const ours = { ...plain('b', 3), reported: 0 }
    expect(leastConnections.rank([busy, ours], () => 0).map(({ node, load }) => [node, load])).toEqual([
      ['b', 3],
      ['a', 5],
    ])
  })

  it('says why each one has its place', () => {
    const plan = leastConnections.rank([plain('a', 0, true), plain('b', 0)], () => 0)
    expect(plan.map(({ reason }) => reason)).toEqual(['local, and no holder has less to do', 'next by load'])
  })
})

it('only holders with room for one more request are candidates', () => {
  fc.assert(
    fc.property(candidates, (given) => {
      const room = unsaturated(given)
      for (const candidate of given) expect(room.includes(candidate)).toBe(candidate.ofModel < candidate.window)
    }),
  )
})
