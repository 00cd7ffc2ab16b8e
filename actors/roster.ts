/** How the view of the cluster, and what is claimed of its nodes, change with what is heard: pure, one case per kind of news. */
import type { NodeId } from '../protocols/ref.ts'
import { pathOf } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { applyReport, type FullReport, type ReportDelta } from '../protocols/report-codec.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { type Claim, isRumour, supersedes } from './claims.ts'
import type { HealthResult } from './health-check.ts'
import type { PeerHello, PeerNews } from './peer-events.ts'
import { type Pace, paceFor } from './suspicion.ts'
import type { ClusterNode, ClusterView } from './view.ts'

/** Nodes that one node knows; above it strangers are not added. */
export const maxNodes = 1024

/** The departed that are remembered, so that nobody who has not heard brings them back; the oldest are forgotten first. */
export const maxTombstones = 1024
/** For how long: a node that slept this long has itself given up everybody it knew. */
export const tombstoneMs = 24 * 60 * 60 * 1000

/** The supervisor of the peers' actors. */
export const peersPath = 'node/peers'
export const membershipPath = 'node/membership'

export const peerPath = (node: NodeId): string => `${peersPath}/${node}`

/**
 * A peer's actor that ends by itself has forgotten its peer; one that crashed comes back, one that is stopped has no say.
 * Absent under an address that exists: it crashed again before the watch was renewed, and is being restarted.
 */
export const hasDeparted = ({ exit, epoch }: ActorDown): boolean =>
  exit.kind === 'normal' || (exit.kind === 'absent' && epoch === 0)

/** The peer whose actor has this ref. */
export const peerOf = (ref: string): NodeId => pathOf(ref).slice(peersPath.length + 1)

/** One node in an exchange: what is claimed of it, its newest known report, and where it can be dialled. */
export interface MemberRow extends Claim {
  readonly version: number
  readonly addresses: readonly string[]
}

export type RosterNews =
  | PeerNews
  | ActorDown
  | ({ readonly type: 'peer.checked' } & HealthResult)
  | { readonly type: 'peer.found'; readonly node: NodeId; readonly addresses: readonly string[] }
  | { readonly type: 'link.up'; readonly node: NodeId }
  | { readonly type: 'host.open'; readonly addresses: readonly string[] }
  | { readonly type: 'report.own'; readonly report: NodeReport }
  | { readonly type: 'report.received'; readonly report: NodeReport }
  | { readonly type: 'report.gossiped'; readonly from: NodeId; readonly report: FullReport | ReportDelta }
  /** What others say of the nodes that this one knows, and who has departed. */
  | { readonly type: 'members.claims'; readonly claims: readonly Claim[] }
  | { readonly type: 'self.raised'; readonly incarnation: number }

/** What is claimed, and since when, in monotonic ms. */
interface Held {
  readonly claim: Claim
  readonly sinceMs: number
}

export interface Roster {
  readonly self: NodeId
  readonly view: ClusterView
  /** The newest report that each node claims in its heartbeats, where it is newer than the one we hold. */
  readonly behind: ReadonlyMap<NodeId, number>
  /** Of this node, of everybody in the view that was ever heard of, and of the departed. */
  readonly claims: ReadonlyMap<NodeId, Held>
  /** Claims that the last news changed in a way that others must hear. */
  readonly rumours: readonly Claim[]
  readonly pace: Pace
}

/** The roster after one piece of news; `nowMs` is the monotonic time at which it was heard. */
export function learn(roster: Roster, news: RosterNews, nowMs: number): Roster {
  const before = roster.rumours.length === 0 ? roster : { ...roster, rumours: [] }
  const after = changed(before, news, nowMs)
  return after.view === roster.view ? after : withPace(after)
}

function changed(roster: Roster, news: RosterNews, nowMs: number): Roster {
  switch (news.type) {
    case 'peer.found':
      return withPeer(roster, news.node, news.addresses, nowMs)
    case 'link.up':
      return withPeer(roster, news.node, [], nowMs)
    case 'peer.state':
      return withState(roster, news, nowMs)
    case 'peer.greeted':
      return withGreeting(roster, news.node, news.hello, nowMs)
    case 'peer.alive':
      return withHeartbeat(
        withClaim(roster, aliveOf(news.node, news.incarnation), nowMs),
        news.node,
        news.reportVersion,
      )
    case 'peer.accused': {
      const { node, incarnation, status } = news
      return withClaim(roster, { node, incarnation, status }, nowMs)
    }
    case 'peer.checked':
      return withCheck(roster, news)
    case 'host.open':
      return withRow(roster, roster.self, { addresses: news.addresses })
    case 'report.own':
      return withRow(roster, roster.self, { report: news.report })
    case 'report.received':
      return withReport(roster, news.report)
    case 'report.gossiped':
      return withGossip(roster, news.from, news.report)
    case 'members.claims':
      return news.claims.reduce((sum, claim) => withHearsay(sum, claim, nowMs), roster)
    case 'self.raised':
      return withClaim(roster, aliveOf(roster.self, news.incarnation), nowMs)
    case 'actor.down':
      return hasDeparted(news) ? without(roster, peerOf(news.ref), nowMs) : roster
    case 'peer.greet':
      return roster
  }
}

/** The view at the start: this node alone. */
export function aloneOn(self: NodeId, incarnation = 0): Roster {
  const view = new Map([[self, emptyRow(self, 'self', [], 0)]])
  const claims = new Map([[self, { claim: aliveOf(self, incarnation), sinceMs: 0 }]])
  return { self, view, behind: new Map(), claims, rumours: [], pace: 'mesh' }
}

const aliveOf = (node: NodeId, incarnation: number): Claim => ({ node, incarnation, status: 'alive' })

export const claimOf = (roster: Roster, node: NodeId): Claim | undefined => roster.claims.get(node)?.claim

export const incarnationOf = (roster: Roster): number => claimOf(roster, roster.self)?.incarnation ?? 0

export const versionOf = (roster: Roster, node: NodeId): number => roster.view.get(node)?.report?.version ?? 0

/** The whole membership state, as two nodes exchange it; at most `maxRows` rows, this node's own first. */
export function rowsOf(roster: Roster, maxRows: number, maxAddresses: number): MemberRow[] {
  return [...roster.claims.values()].slice(0, maxRows).map(({ claim }) => ({
    ...claim,
    version: versionOf(roster, claim.node),
    addresses: claim.status === 'departed' ? [] : (roster.view.get(claim.node)?.addresses ?? []).slice(0, maxAddresses),
  }))
}

function withPace(roster: Roster): Roster {
  let live = 0
  for (const { state } of roster.view.values())
    if (state === 'self' || state === 'healthy' || state === 'suspect') live++
  const pace = paceFor(live, roster.pace)
  return pace === roster.pace ? roster : { ...roster, pace }
}

/** A claim that says more than the one that is held takes its place. */
function withClaim(roster: Roster, claim: Claim, nowMs: number): Roster {
  const known = claimOf(roster, claim.node)
  if (!supersedes(claim, known)) return roster
  const claims = new Map(roster.claims).set(claim.node, { claim, sinceMs: nowMs })
  const rumours = isRumour(claim, known) ? [...roster.rumours, claim] : roster.rumours
  return { ...roster, claims: claim.status === 'departed' ? withoutOldTombstones(claims, nowMs) : claims, rumours }
}

/** Of nodes that are not known here only the departed are noted: whoever lives is met first. Nobody tells this node about itself. */
function withHearsay(roster: Roster, claim: Claim, nowMs: number): Roster {
  const isKnown = roster.view.has(claim.node) || roster.claims.has(claim.node)
  if (claim.node === roster.self || (!isKnown && claim.status !== 'departed')) return roster
  return withClaim(roster, claim, nowMs)
}

function withoutOldTombstones(claims: Map<NodeId, Held>, nowMs: number): Map<NodeId, Held> {
  const tombstones = [...claims].filter(([, { claim }]) => claim.status === 'departed')
  const tooMany = tombstones.length - maxTombstones
  tombstones
    .toSorted(([, a], [, b]) => a.sinceMs - b.sinceMs)
    .forEach(([node, { sinceMs }], index) => {
      if (index < tooMany || nowMs - sinceMs > tombstoneMs) claims.delete(node)
    })
  return claims
}

function withState(roster: Roster, { node, state, reason }: PeerNews & { type: 'peer.state' }, nowMs: number): Roster {
  const row = roster.view.get(node)
  if (row === undefined) return roster
  return withRow(roster, node, { state, reason, sinceMs: row.state === state ? row.sinceMs : nowMs })
}

/** A peer that could not be reached has failed no check: that it is away is its state's to say. */
function withCheck(roster: Roster, { peer, ok, latencyMs, unfit }: HealthResult): Roster {
  const row = roster.view.get(peer)
  if (row === undefined || (!ok && row.unfit === unfit)) return roster
  return withRow(roster, peer, { unfit, ...(ok ? { rttMs: latencyMs } : {}) })
}

function emptyRow(
  node: NodeId,
  state: ClusterNode['state'],
  addresses: readonly string[],
  sinceMs: number,
): ClusterNode {
  return { node, state, sinceMs, reason: '', unfit: '', addresses, report: undefined, rttMs: null }
}

function withPeer(roster: Roster, node: NodeId, addresses: readonly string[], nowMs: number): Roster {
  if (roster.view.has(node) || roster.view.size >= maxNodes) return roster
  return { ...roster, view: new Map(roster.view).set(node, emptyRow(node, 'discovered', addresses, nowMs)) }
}

/** Unknown nodes stay unknown; what changes nothing leaves the view the one that it was. */
function withRow(roster: Roster, node: NodeId, change: Partial<ClusterNode>): Roster {
  const row = roster.view.get(node)
  if (row === undefined) return roster
  const isNews = (Object.keys(change) as (keyof ClusterNode)[]).some((key) => change[key] !== row[key])
  return isNews ? { ...roster, view: new Map(roster.view).set(node, { ...row, ...change }) } : roster
}

function withGreeting(roster: Roster, node: NodeId, hello: PeerHello, nowMs: number): Roster {
  const row = roster.view.get(node)
  if (row === undefined) return roster
  const addresses = hello.addresses.length > 0 ? hello.addresses : row.addresses
  const greeted = withClaim(withRow(roster, node, { addresses }), aliveOf(node, hello.incarnation), nowMs)
  return withReport(greeted, { ...hello.report, node })
}

/** A report counts only when it is newer than the one we hold of that node. */
function withReport(roster: Roster, report: NodeReport): Roster {
  const row = roster.view.get(report.node)
  if (row === undefined || row.state === 'self' || (row.report?.version ?? 0) >= report.version) return roster
  const behind = new Map(roster.behind)
  if ((behind.get(report.node) ?? 0) <= report.version) behind.delete(report.node)
  return withRow({ ...roster, behind }, report.node, { report })
}

/** A delta to a report that we do not hold is no loss: the next heartbeat shows that we are behind. */
function withGossip(roster: Roster, from: NodeId, decoded: FullReport | ReportDelta): Roster {
  const report = applyReport(roster.view.get(from)?.report, decoded)
  return report === undefined || report.node !== from ? roster : withReport(roster, report)
}

function withHeartbeat(roster: Roster, node: NodeId, version: number): Roster {
  const row = roster.view.get(node)
  if (row === undefined) return roster // Told before its actor ended, heard after.
  const isBehind = version > (row.report?.version ?? 0)
  if (!isBehind && !roster.behind.has(node)) return roster
  const behind = new Map(roster.behind)
  if (isBehind) behind.set(node, version)
  else behind.delete(node)
  return { ...roster, behind }
}

/** What remains is that it has departed. */
function without(roster: Roster, node: NodeId, nowMs: number): Roster {
  const view = new Map(roster.view)
  const behind = new Map(roster.behind)
  view.delete(node)
  behind.delete(node)
  const incarnation = claimOf(roster, node)?.incarnation ?? 0
  return withClaim({ ...roster, view, behind }, { node, incarnation, status: 'departed' }, nowMs)
}
