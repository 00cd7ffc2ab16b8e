import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PeerHello } from '../../actors/peer-events.ts'
import {
  aloneOn,
  claimOf,
  learn,
  maxNodes,
  maxTombstones,
  peerOf,
  peerPath,
  type Roster,
  type RosterNews,
  tombstoneMs,
} from '../../actors/roster.ts'
import type { NodeReport } from '../../protocols/report.ts'
import { reportOf } from './support/reports.ts'

const hello = (node: string, rest: Partial<PeerHello> = {}): PeerHello => ({
  type: 'peer.hello',
  name: node,
  software: '0.0.0',
  boot: 1,
  incarnation: 1,
  answer: false,
  addresses: [`/at/${node}`],
  report: reportOf(node),
  ...rest,
})

const down = (node: string, kind: 'normal' | 'shutdown' | 'crash' = 'normal'): RosterNews => ({
  type: 'actor.down',
  ref: `n/${peerPath(node)}`,
  epoch: 1,
  exit: kind === 'crash' ? { kind, failure: { name: 'Error', message: 'x' } } : { kind },
})

const node = fc.constantFrom('n', 'p', 'q', 'r')
/** This node has no peer's actor for itself, so nothing but a discovery can be about it. */
const other = fc.constantFrom('p', 'q', 'r')
const version = fc.integer({ min: 1, max: 6 })
const report = fc.record({ node, version }).map((rest): NodeReport => reportOf(rest.node, rest))

const states = ['dialling', 'admitting', 'healthy', 'suspect', 'unreachable'] as const

/** Everything that membership may hear, true or not. */
const news: fc.Arbitrary<RosterNews> = fc.oneof(
  node.map((id): RosterNews => ({ type: 'peer.found', node: id, addresses: [] })),
  node.map((id): RosterNews => ({ type: 'link.up', node: id })),
  fc
    .tuple(other, fc.constantFrom(...states))
    .map(([id, state]): RosterNews => ({ type: 'peer.state', node: id, state, reason: '' })),
  fc
    .tuple(other, report)
    .map(([id, told]): RosterNews => ({ type: 'peer.greeted', node: id, hello: hello(id, { report: told }) })),
  fc
    .tuple(other, version)
    .map(([id, reportVersion]): RosterNews => ({ type: 'peer.alive', node: id, incarnation: 1, reportVersion })),
  fc
    .tuple(other, fc.boolean(), fc.nat(50))
    .map(([peer, ok, latencyMs]): RosterNews => ({ type: 'peer.checked', peer, ok, latencyMs, unfit: '' })),
  report.map((told): RosterNews => ({ type: 'report.own', report: { ...told, node: 'n' } })),
  fc.tuple(other, report).map(([id, told]): RosterNews => ({ type: 'report.received', report: { ...told, node: id } })),
  fc
    .tuple(other, report)
    .map(([from, told]): RosterNews => ({ type: 'report.gossiped', from, report: { kind: 'full', report: told } })),
  fc.tuple(other, version, version).map(
    ([from, base, next]): RosterNews => ({
      type: 'report.gossiped',
      from,
      report: { kind: 'delta', base, version: next, changes: { api: `v${next}` } },
    }),
  ),
  fc
    .tuple(other, fc.constantFrom('normal', 'shutdown', 'crash'))
    .map(([id, kind]): RosterNews => down(id, kind as 'normal')),
)

const story = fc.array(news, { maxLength: 80, size: 'max' })

/** All rosters of a story, the first one included. */
function tell(script: readonly RosterNews[]): Roster[] {
  const rosters = [aloneOn('n')]
  for (const each of script) rosters.push(learn(rosters.at(-1) as Roster, each, rosters.length))
  return rosters
}

describe('whatever is heard, in whatever order', () => {
  it('this node is in its own view, as itself', () => {
    fc.assert(
      fc.property(story, (script) => {
        const rosters = tell(
          script.filter((each) => !('node' in each && each.type === 'peer.state' && each.node === 'n')),
        )
        for (const { view } of rosters) expect(view.get('n')?.state).toBe('self')
      }),
    )
  })

  it('a node appears only by being found or connected, and disappears only when its actor has ended for good', () => {
    fc.assert(
      fc.property(story, (script) => {
        const rosters = tell(script)
        script.forEach((each, index) => {
          const [before, after] = [rosters[index] as Roster, rosters[index + 1] as Roster]
          for (const id of after.view.keys()) {
            if (before.view.has(id)) continue
            expect(['peer.found', 'link.up']).toContain(each.type)
          }
          for (const id of before.view.keys()) {
            if (after.view.has(id)) continue
            expect(each.type === 'actor.down' && each.exit.kind === 'normal' && peerOf(each.ref) === id).toBe(true)
          }
        })
      }),
    )
  })

  it('the report that is held of another node only ever becomes newer, and is its own', () => {
    fc.assert(
      fc.property(story, (script) => {
        const rosters = tell(script)
        rosters.slice(1).forEach((after, index) => {
          for (const [id, { report: held, state }] of after.view) {
            if (held === undefined || state === 'self') continue
            expect(held.node).toBe(id)
            const before = (rosters[index] as Roster).view.get(id)?.report
            if (before !== undefined) expect(held.version).toBeGreaterThanOrEqual(before.version)
          }
        })
      }),
    )
  })

  it('a node counts as behind only while it claims a newer report than the one that is held', () => {
    fc.assert(
      fc.property(story, (script) => {
        for (const { view, behind } of tell(script)) {
          for (const [id, claimed] of behind) {
            expect(view.has(id)).toBe(true)
            expect(claimed).toBeGreaterThan(view.get(id)?.report?.version ?? 0)
          }
        }
      }),
    )
  })
})

describe('the roster', () => {
  const met = learn(aloneOn('n'), { type: 'peer.found', node: 'p', addresses: ['/at/p'] }, 1)

  it('has the addresses of a hello, and keeps the ones it has when a hello names none', () => {
    const greeted = learn(met, { type: 'peer.greeted', node: 'p', hello: hello('p', { addresses: ['/new'] }) }, 5)
    expect(greeted.view.get('p')).toMatchObject({ addresses: ['/new'] })
    const silent = learn(greeted, { type: 'peer.greeted', node: 'p', hello: hello('p', { addresses: [] }) }, 6)
    expect(silent.view.get('p')?.addresses).toEqual(['/new'])
  })

  it('takes a report in a hello for the greeting node, whatever node it names', () => {
    const lying = hello('p', { report: reportOf('q', { version: 9 }) })
    const greeted = learn(met, { type: 'peer.greeted', node: 'p', hello: lying }, 5)
    expect(greeted.view.get('p')?.report).toMatchObject({ node: 'p', version: 9 })
    expect(greeted.view.has('q')).toBe(false)
  })

  it('ignores a gossiped report about another node than the one that signed it', () => {
    const gossip: RosterNews = {
      type: 'report.gossiped',
      from: 'p',
      report: { kind: 'full', report: reportOf('q', { version: 9 }) },
    }
    expect(learn(met, gossip, 5)).toBe(met)
  })

  it('remembers the round trip of successful checks only', () => {
    const checked = learn(met, { type: 'peer.checked', peer: 'p', ok: true, latencyMs: 7, unfit: '' }, 5)
    expect(
      learn(checked, { type: 'peer.checked', peer: 'p', ok: false, latencyMs: 99, unfit: '' }, 6).view.get('p')?.rttMs,
    ).toBe(7)
  })

  it('takes in no more nodes than its limit', () => {
    let roster = aloneOn('n')
    for (let i = 0; i < maxNodes + 10; i++) roster = learn(roster, { type: 'link.up', node: `x${i}` }, 1)
    expect(roster.view.size).toBe(maxNodes)
  })

  it('remembers the departed for a day, so many of them, and forgets the oldest first', () => {
    const departed = (id: string): RosterNews => ({
      type: 'members.claims',
      claims: [{ node: id, incarnation: 1, status: 'departed' }],
    })
    let roster = aloneOn('n')
    for (let i = 0; i < maxTombstones + 10; i++) roster = learn(roster, departed(`x${i}`), i)
    expect(roster.claims.size).toBe(maxTombstones + 1)
    expect(claimOf(roster, 'x9')).toBeUndefined()
    expect(claimOf(roster, 'x10')?.status).toBe('departed')
    const later = learn(roster, departed('y'), tombstoneMs + 5000)
    expect([...later.claims.keys()]).toEqual(['n', 'y'])
  })

  it('does not meet the departed again by what others say, unless in a higher incarnation', () => {
    const gone = learn(met, down('p'), 2)
    expect(gone.view.has('p')).toBe(false)
    const said = learn(gone, { type: 'members.claims', claims: [{ node: 'p', incarnation: 0, status: 'alive' }] }, 3)
    expect(claimOf(said, 'p')?.status).toBe('departed')
  })
})

it('keeps a peer whose actor is between two incarnations, and forgets one whose actor is nowhere', () => {
  const met = learn(aloneOn('n'), { type: 'peer.found', node: 'p', addresses: [] }, 1)
  const absent = (epoch: number): RosterNews => ({
    type: 'actor.down',
    ref: `n/${peerPath('p')}`,
    epoch,
    exit: { kind: 'absent' },
  })
  expect(learn(met, absent(7), 2).view.has('p')).toBe(true)
  expect(learn(met, absent(0), 2).view.has('p')).toBe(false)
})
