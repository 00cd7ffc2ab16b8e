/** How the view of the cluster changes with what is heard: pure, one case per kind of news. */
import type { NodeId } from '../protocols/ref.ts'
import { pathOf } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { applyReport, type FullReport, type ReportDelta } from '../protocols/report-codec.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import type { HealthResult } from './health-check.ts'
import type { PeerHello, PeerNews } from './peer.ts'
import type { ClusterNode, ClusterView } from './view.ts'

/** Nodes that one node knows; above it strangers are not added. */
export const maxNodes = 1024

/** The supervisor of the peers' actors. */
export const peersPath = 'node/peers'

export const peerPath = (node: NodeId): string => `${peersPath}/${node}`

/** A peer's actor that ends by itself has forgotten its peer; one that crashed comes back, one that is stopped has no say. */
export const hasDeparted = ({ exit }: ActorDown): boolean => exit.kind === 'normal' || exit.kind === 'absent'

/** The peer whose actor has this ref. */
export const peerOf = (ref: string): NodeId => pathOf(ref).slice(peersPath.length + 1)

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

export interface Roster {
  readonly self: NodeId
  readonly view: ClusterView
  /** The newest report that each node claims in its heartbeats, where it is newer than the one we hold. */
  readonly behind: ReadonlyMap<NodeId, number>
}

/** The roster after one piece of news; `wallMs` is when it was heard. */
export function learn(roster: Roster, news: RosterNews, wallMs: number): Roster {
  switch (news.type) {
    case 'peer.found':
      return withPeer(roster, news.node, news.addresses)
    case 'link.up':
      return withPeer(roster, news.node, [])
    case 'peer.state':
      return withRow(roster, news.node, {
        state: news.state,
        ...(news.state === 'healthy' ? { lastSeenMs: wallMs } : {}),
      })
    case 'peer.greeted':
      return withGreeting(roster, news.node, news.hello, wallMs)
    case 'peer.alive':
      return withHeartbeat(withRow(roster, news.node, { lastSeenMs: wallMs }), news.node, news.reportVersion)
    case 'peer.checked':
      return news.ok ? withRow(roster, news.peer, { rttMs: news.latencyMs }) : roster
    case 'host.open':
      return withRow(roster, roster.self, { addresses: news.addresses })
    case 'report.own':
      return withRow(roster, roster.self, { report: news.report })
    case 'report.received':
      return withReport(roster, news.report)
    case 'report.gossiped':
      return withGossip(roster, news.from, news.report)
    case 'actor.down':
      return hasDeparted(news) ? without(roster, peerOf(news.ref)) : roster
    case 'peer.greet':
      return roster
  }
}

/** The view at the start: this node alone. */
export function aloneOn(self: NodeId): Roster {
  return { self, view: new Map([[self, emptyRow(self, 'self', [])]]), behind: new Map() }
}

function emptyRow(node: NodeId, state: ClusterNode['state'], addresses: readonly string[]): ClusterNode {
  return { node, state, addresses, report: undefined, rttMs: null, lastSeenMs: 0 }
}

function withPeer(roster: Roster, node: NodeId, addresses: readonly string[]): Roster {
  if (roster.view.has(node) || roster.view.size >= maxNodes) return roster
  return { ...roster, view: new Map(roster.view).set(node, emptyRow(node, 'discovered', addresses)) }
}

/** Unknown nodes stay unknown. */
function withRow(roster: Roster, node: NodeId, change: Partial<ClusterNode>): Roster {
  const row = roster.view.get(node)
  return row === undefined ? roster : { ...roster, view: new Map(roster.view).set(node, { ...row, ...change }) }
}

function withGreeting(roster: Roster, node: NodeId, hello: PeerHello, wallMs: number): Roster {
  const row = roster.view.get(node)
  if (row === undefined) return roster
  const addresses = hello.addresses.length > 0 ? hello.addresses : row.addresses
  return withReport(withRow(roster, node, { addresses, lastSeenMs: wallMs }), { ...hello.report, node })
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

function without(roster: Roster, node: NodeId): Roster {
  const view = new Map(roster.view)
  const behind = new Map(roster.behind)
  view.delete(node)
  behind.delete(node)
  return { ...roster, view, behind }
}
