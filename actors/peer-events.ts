/** What a peer's actor hears, and what it tells membership. */
import type { Message, NodeId, Ref } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import type { Claim } from './claims.ts'
import type { Pace } from './suspicion.ts'
import type { NodeState } from './view.ts'

/** What this node says of itself in every heartbeat, and how it listens. */
export interface SelfNews {
  readonly incarnation: number
  readonly reportVersion: number
  readonly pace: Pace
}

export interface PeerInput {
  readonly node: NodeId
  readonly addresses: readonly string[]
  /** Whether a connection is already open. */
  readonly linked: boolean
  readonly self: SelfNews
}

export interface PeerHello extends Message {
  readonly type: 'peer.hello'
  readonly name: string
  readonly software: string
  /** The sender's life: another one is a restart. */
  readonly boot: number
  readonly incarnation: number
  readonly answer: boolean
  readonly addresses: readonly string[]
  readonly report: NodeReport
}

/** A `probe` wants an answer; a `beat` gets one from who does not beat by itself. */
export type HeartbeatKind = 'beat' | 'probe' | 'answer'

/** What others say of a peer that this node does not hear; the prober gathers it. */
export interface Hearsay extends Message {
  readonly type: 'peer.hearsay'
  /** Peers that were asked, and those of them that heard it within two heartbeats. */
  readonly asked: number
  readonly reachedBy: number
  /** This node's own health, 0 to 8. */
  readonly score: number
  /** Monotonic time of the last answer: a guard has no clock. */
  readonly nowMs: number
}

export interface Heartbeat {
  readonly type: 'peer.heartbeat'
  readonly incarnation: number
  readonly reportVersion: number
  readonly kind: HeartbeatKind
}

export type PeerEvent =
  | PeerHello
  | Heartbeat
  | { readonly type: 'peer.goodbye' }
  | { readonly type: 'peer.found'; readonly addresses: readonly string[] }
  | { readonly type: 'peer.self'; readonly self: SelfNews }
  /** Membership holds this version of the peer's report. */
  | { readonly type: 'report.held'; readonly version: number }
  | { readonly type: 'peer.claimed'; readonly claim: Claim; readonly nowMs: number }
  /** From the prober: it is this one's turn. */
  | { readonly type: 'peer.probe' }
  | Hearsay
  /** Asked by other nodes, and by who lists the peers. */
  | { readonly type: 'peer.heard'; readonly replyTo: Ref }
  | { readonly type: 'link.up' }
  | { readonly type: 'link.down' }
/** What a peer tells membership. */
export type PeerNews =
  | { readonly type: 'peer.state'; readonly node: NodeId; readonly state: NodeState; readonly reason: string }
  | { readonly type: 'peer.greeted'; readonly node: NodeId; readonly hello: PeerHello }
  | { readonly type: 'peer.alive'; readonly node: NodeId; readonly incarnation: number; readonly reportVersion: number }
  /** Nobody hears it. */
  | ({ readonly type: 'peer.accused' } & Claim)
  | { readonly type: 'peer.greet'; readonly node: NodeId; readonly answer: boolean }
