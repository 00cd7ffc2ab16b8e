import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findDeadlocks, type NodeWaits, nodesWaitedFor } from '../../actors/wait-graph.ts'
import { nodeOf, pathOf, type Ref } from '../../protocols/ref.ts'

interface Edge {
  readonly from: Ref
  readonly to: Ref
  readonly ageMs?: number
  /** Who owes the answer; null: nobody any more. */
  readonly owedBy?: Ref | null
}

/** What each node would say of these waits. */
function snapshots(edges: readonly Edge[]): NodeWaits[] {
  const nodes = new Map<
    string,
    { node: string; asks: NodeWaits['asks'][number][]; owed: NodeWaits['owed'][number][] }
  >()
  const at = (node: string) => {
    const known = nodes.get(node) ?? { node, asks: [], owed: [] }
    nodes.set(node, known)
    return known
  }
  edges.forEach(({ from, to, ageMs = 3000, owedBy = to }, index) => {
    const ask = `${nodeOf(from)}/$ask/${index}`
    at(nodeOf(from)).asks.push({ ask, asker: pathOf(from), asked: to, type: 'question', ageMs, leftMs: 500 })
    if (owedBy !== null) at(nodeOf(to)).owed.push({ ask, by: pathOf(owedBy) })
  })
  return [...nodes.values()]
}

const circlesOf = (edges: readonly Edge[]) =>
  findDeadlocks(snapshots(edges)).map((waits) => waits.map(({ asker }) => asker))

describe('a circle of waits', () => {
  it('is found on one node and over several, beginning with the longest wait', () => {
    expect(
      circlesOf([
        { from: 'n/a', to: 'n/b' },
        { from: 'n/b', to: 'n/a', ageMs: 5000 },
        { from: 'n/x', to: 'n/a' },
      ]),
    ).toEqual([['n/b', 'n/a']])
    expect(
      circlesOf([
        { from: 'm/a', to: 'n/b' },
        { from: 'n/b', to: 'n/c' },
        { from: 'n/c', to: 'm/a' },
      ]),
    ).toEqual([['m/a', 'n/b', 'n/c']])
  })

  it('of an actor that asks itself is one', () => {
    expect(circlesOf([{ from: 'n/a', to: 'n/a' }])).toEqual([['n/a']])
  })

  it('goes by way of the actor that a question was forwarded to', () => {
    const edges = [
      { from: 'm/a', to: 'n/front', owedBy: 'n/b' },
      { from: 'n/b', to: 'm/a' },
    ]
    expect(circlesOf(edges)).toEqual([['m/a', 'n/b']])
  })

  it.each([
    ['young', [{ from: 'm/a', to: 'n/b', ageMs: 10 }]],
    ['answered before the other node was read', [{ from: 'm/a', to: 'n/b', owedBy: null }]],
    ['a chain', []],
  ] as [string, Edge[]][])('is none while one of its waits is %s', (_why, edges) => {
    expect(circlesOf([...edges, { from: 'n/b', to: 'm/a' }])).toEqual([])
  })

  it('is found exactly when there is one, in any graph', () => {
    const actor = fc.integer({ min: 0, max: 9 }).map((id) => `n${id % 3}/a${id}`)
    fc.assert(
      fc.property(fc.array(fc.record({ from: actor, to: actor }), { maxLength: 20 }), (edges) => {
        const circles = findDeadlocks(snapshots(edges))
        for (const waits of circles) {
          waits.forEach(({ asked }, index) => {
            expect(asked).toBe(waits[(index + 1) % waits.length]?.asker)
          })
        }
        expect(circles.length > 0).toBe(hasCircle(edges))
      }),
    )
  })

  it('of ten thousand actors costs no stack', () => {
    const edges = Array.from({ length: 10_000 }, (_, id) => ({ from: `n/${id}`, to: `n/${(id + 1) % 10_000}` }))
    expect(circlesOf(edges)[0]).toHaveLength(10_000)
  })
})

it('the nodes to look at next are those that an actor has waited for long enough', () => {
  const [waits] = snapshots([
    { from: 'n/a', to: 'm/b' },
    { from: 'n/a', to: 'n/c' },
    { from: 'n/a', to: 'o/b', ageMs: 10 },
  ])
  expect(nodesWaitedFor(waits as NodeWaits)).toEqual(['m'])
})

/** Takes away whoever waits for nobody that is left, until nobody can be taken away. */
function hasCircle(edges: readonly Edge[]): boolean {
  let left = [...edges]
  for (let before = -1; before !== left.length; ) {
    before = left.length
    left = left.filter(({ to }) => left.some(({ from }) => from === to))
  }
  return left.length > 0
}
