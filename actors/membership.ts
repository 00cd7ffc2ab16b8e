/**
 * Who is in the cluster, as this node sees it. Starts an actor per peer, keeps what each reports about itself and what is
 * claimed of it, and tells the scheduler and whoever asks. Gossip is a hint: heartbeats carry the report's version, and
 * who is behind asks; whole states are compared when two nodes meet, and now and then.
 */
import { maxAddressesPerMember, maxMemberRows } from '../protocols/messages.ts'
import type { NodeId, Ref } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, assign, machineOptions, setup } from '../src/runtime/logic.ts'
import { accuses, type Claim, fingerprint, supersedes } from './claims.ts'
import type { PeerInput, SelfNews } from './peer-events.ts'
import {
  aloneOn,
  claimOf,
  hasDeparted,
  incarnationOf,
  learn,
  type MemberRow,
  maxNodes,
  membershipPath,
  peerOf,
  peerPath,
  peersPath,
  type Roster,
  type RosterNews,
  rowsOf,
  versionOf,
} from './roster.ts'
import type { ClusterView } from './view.ts'

const reportAnswerMs = 2000
const compareAnswerMs = 2000
/** How often the whole state is compared with one other node: what every other way has missed is lost for no longer. */
const compareMs = 30_000
/** Reports that are asked for after one exchange; the next one shows what is still missing. */
const maxReportsAsked = 32

export interface MembershipInput {
  readonly node: NodeId
  /** Identifies this run of the process. */
  readonly boot: number
  /**
   * A number above all that this node has used. This actor begins an incarnation with one before it hears anything: what
   * waits in its mailbox from before a crash must find it in that one already.
   */
  readonly nextIncarnation: () => number
  /** Machines with what they need from outside. */
  readonly peer: AnyActorLogic
  readonly healthCheck: AnyActorLogic
  /** Refs of the actors that dial `--join` addresses. */
  readonly joiners: readonly Ref[]
}

type MembershipEvent =
  | RosterNews
  | { readonly type: 'members.rows'; readonly from: NodeId; readonly rows: readonly MemberRow[] }
  | { readonly type: 'members.compare'; readonly fingerprint: string; readonly replyTo: Ref }
  | { readonly type: 'link.down'; readonly node: NodeId }
  | { readonly type: 'view.get'; readonly replyTo: Ref }
  /** From a scheduler or a prober that has just started. */
  | { readonly type: 'view.describe' }
  | { readonly type: 'shutdown' }

interface MembershipContext extends MembershipInput {
  readonly roster: Roster
  /** What the peers' actors know of this node. */
  readonly told: SelfNews
  /** What the scheduler and the prober know of all. */
  readonly shown: ClusterView | undefined
  /** Who has been told goodbye and has not hung up yet. */
  readonly awaited: ReadonlySet<NodeId>
}

const healthyPeers = ({ roster }: MembershipContext): NodeId[] =>
  [...roster.view.values()].filter(({ state }) => state === 'healthy').map(({ node }) => node)

/** Who a piece of news is about, where it may be a stranger. */
function strangerOf(event: MembershipEvent): Omit<PeerInput, 'self'> | undefined {
  if (event.type === 'peer.found') return { node: event.node, addresses: event.addresses, linked: false }
  if (event.type === 'link.up') return { node: event.node, addresses: [], linked: true }
  return undefined
}

const ownReport = ({ roster }: MembershipContext): NodeReport | undefined => roster.view.get(roster.self)?.report

const selfNews = ({ roster }: MembershipContext): SelfNews => ({
  incarnation: incarnationOf(roster),
  reportVersion: versionOf(roster, roster.self),
  pace: roster.pace,
})

const fingerprintOf = ({ roster }: MembershipContext): string =>
  fingerprint([...roster.claims.values()].map(({ claim }) => ({ ...claim, version: versionOf(roster, claim.node) })))

const rowsFor = ({ roster }: MembershipContext): MemberRow[] => rowsOf(roster, maxMemberRows, maxAddressesPerMember)

const claimsIn = (event: MembershipEvent): readonly Claim[] =>
  event.type === 'members.claims' ? event.claims : event.type === 'members.rows' ? event.rows : []

/** The incarnation of this node that is said not to answer, or that it has not reached yet; undefined: all is well. */
function disputedIncarnation({ roster }: MembershipContext, event: MembershipEvent): number | undefined {
  const known = claimOf(roster, roster.self)
  return claimsIn(event).find(({ node, ...rest }) => node === roster.self && supersedes({ node, ...rest }, known))
    ?.incarnation
}

/** What follows when the view has changed, and with it perhaps the pace. */
const announced = ['tellPeers', 'tellView', 'noteTold'] as const
/** What follows when others have spoken about nodes. */
const heard = ['learnClaims', 'passOn', 'tellPeers', 'tellView', 'noteTold'] as const

const isSame = (a: SelfNews, b: SelfNews): boolean =>
  a.incarnation === b.incarnation && a.reportVersion === b.reportVersion && a.pace === b.pace

/** Whose report an event may have brought. */
function reporterOf(event: MembershipEvent): NodeId | undefined {
  if (event.type === 'peer.greeted') return event.node
  if (event.type === 'report.received') return event.report.node
  return event.type === 'report.gossiped' ? event.from : undefined
}

function askReport(node: NodeId, system: object): void {
  const { ask, tell, self } = here(system)
  ask(`${node}/node/reporter`, { type: 'report.request' }, reportAnswerMs).then(
    (answer) => tell(self, { type: 'report.received', report: { ...(answer.report as NodeReport), node } }),
    () => {}, // Unanswered: the next heartbeat or exchange shows again that we are behind.
  )
}

/** Asks for the other's rows, unless both know the same. */
function compare(node: NodeId, context: MembershipContext, system: object): void {
  const { ask, tell, self } = here(system)
  ask(
    `${node}/${membershipPath}`,
    { type: 'members.compare', fingerprint: fingerprintOf(context) },
    compareAnswerMs,
  ).then(
    (answer) => {
      const rows = answer.rows as readonly MemberRow[]
      if (rows.length > 0) tell(self, { type: 'members.rows', from: node, rows })
    },
    () => {}, // Unanswered: the next exchange says the same.
  )
}

function showView({ roster: { view, pace } }: MembershipContext, system: object): void {
  const { tell, local } = here(system)
  tell(local('node/scheduler'), { type: 'view.changed', view })
  tell(local('node/prober'), { type: 'view.changed', view, pace })
}

export const membershipMachine = setup({
  types: { context: {} as MembershipContext, events: {} as MembershipEvent, input: {} as MembershipInput },
  actions: {
    learn: assign(({ context, event, system }) => ({
      roster: learn(context.roster, event as RosterNews, here(system).monotonicMs()),
    })),
    learnClaims: assign(({ context, event, system }) => ({
      roster: learn(context.roster, { type: 'members.claims', claims: claimsIn(event) }, here(system).monotonicMs()),
    })),
    /** Begins an incarnation above everything that was ever said of this node. */
    raise: assign(({ context, event, system }) => {
      const { nextId, monotonicMs } = here(system)
      const incarnation = Math.max(nextId(), (disputedIncarnation(context, event) ?? 0) + 1)
      return { roster: learn(context.roster, { type: 'self.raised', incarnation }, monotonicMs()) }
    }),
    /** This node lives, whatever is said: everybody whom it reaches hears so from itself. */
    refute: ({ context, system }) => {
      const { tell, local } = here(system)
      const claims = [claimOf(context.roster, context.node)]
      for (const node of healthyPeers(context)) tell(`${node}/${membershipPath}`, { type: 'members.claims', claims })
      tell(local('node/prober'), { type: 'self.accused' })
    },
    /** What changed goes to the actors of those whom it concerns, and to others as rumours. */
    passOn: ({ context, system }) => {
      const { tell, local, monotonicMs } = here(system)
      const { rumours, view } = context.roster
      if (rumours.length === 0) return
      for (const claim of rumours) {
        if (claim.node === context.node || !view.has(claim.node)) continue
        tell(local(peerPath(claim.node)), { type: 'peer.claimed', claim, nowMs: monotonicMs() })
      }
      tell(local('node/prober'), { type: 'rumours.spread', claims: rumours })
    },
    /** The accused must hear what is said, or it can deny nothing. */
    tellAccused: ({ context, event, system }) => {
      if (event.type !== 'peer.greeted' && event.type !== 'peer.alive' && event.type !== 'peer.accused') return
      const claim = claimOf(context.roster, event.node)
      if (claim === undefined || !accuses(claim)) return
      here(system).tell(`${event.node}/${membershipPath}`, { type: 'members.claims', claims: [claim] })
    },
    /** Somebody lives whom we do not reach: now is the time to dial. */
    hint: ({ context, event, system }) => {
      if (event.type !== 'members.rows') return
      const { tell, local, self, monotonicMs } = here(system)
      for (const { node, incarnation, status, addresses } of event.rows) {
        if (status !== 'alive' || node === context.node) continue
        const state = context.roster.view.get(node)?.state
        const isBuried = (claimOf(context.roster, node)?.incarnation ?? -1) >= incarnation
        if (state === undefined && !isBuried) tell(self, { type: 'peer.found', node, addresses })
        const claim: Claim = { node, incarnation, status }
        if (state === 'unreachable') tell(local(peerPath(node)), { type: 'peer.claimed', claim, nowMs: monotonicMs() })
      }
    },
    askReports: ({ context, event, system }) => {
      if (event.type !== 'members.rows') return
      event.rows
        .filter(
          ({ node, version }) =>
            context.roster.view.get(node)?.state === 'healthy' && version > versionOf(context.roster, node),
        )
        .slice(0, maxReportsAsked)
        .forEach(({ node }) => void askReport(node, system))
    },
    answerCompare: ({ context, event, system }) => {
      if (event.type !== 'members.compare') return
      const rows = event.fingerprint === fingerprintOf(context) ? [] : rowsFor(context)
      here(system).tell(event.replyTo, { type: 'members.rows', rows })
    },
    compareWithGreeted: ({ context, event, system }) => {
      if (event.type === 'peer.greeted') compare(event.node, context, system)
    },
    compareWithSomebody: ({ context, system }) => {
      const peers = healthyPeers(context)
      const node = peers[Math.floor(here(system).random() * peers.length)]
      if (node !== undefined) compare(node, context, system)
    },
    /** Before `learn`: who is new gets an actor, who is known hears what is new about it. */
    meet: ({ context, event, system }) => {
      const stranger = strangerOf(event)
      if (stranger === undefined || stranger.node === context.node) return
      const { tell, local, spawn, watch } = here(system)
      const ref = local(peerPath(stranger.node))
      if (context.roster.view.has(stranger.node)) {
        if (stranger.linked) tell(ref, { type: 'link.up' })
        else if (stranger.addresses.length > 0) tell(ref, { type: 'peer.found', addresses: stranger.addresses })
        return
      }
      if (context.roster.view.size >= maxNodes) return
      const input: PeerInput = { ...stranger, self: selfNews(context) }
      const healthCheck = { id: 'health-check', logic: context.healthCheck, input: { peer: stranger.node } }
      spawn({ id: stranger.node, logic: context.peer, input, children: [healthCheck] }, local(peersPath))
      watch(ref)
      watch(local(peersPath))
    },
    tellLinkDown: ({ event, system }) => {
      const { tell, local } = here(system)
      if (event.type === 'link.down') tell(local(peerPath(event.node)), { type: 'link.down' })
    },
    greet: ({ context, event, system }) => {
      const report = ownReport(context)
      if (event.type !== 'peer.greet' || report === undefined) return
      const { view, self } = context.roster
      here(system).tell(`${event.node}/${peerPath(self)}`, {
        type: 'peer.hello',
        name: report.name,
        software: report.software,
        boot: context.boot,
        incarnation: incarnationOf(context.roster),
        answer: event.answer,
        addresses: view.get(self)?.addresses ?? [],
        report,
      })
    },
    askReport: ({ event, system }) => {
      if (event.type === 'peer.alive') askReport(event.node, system)
    },
    /** A peer's actor tells of a newer report than this one only. */
    tellHeld: ({ context, event, system }) => {
      const node = reporterOf(event)
      if (node === undefined) return
      const { tell, local } = here(system)
      tell(local(peerPath(node)), { type: 'report.held', version: versionOf(context.roster, node) })
    },
    answerView: ({ context, event, system }) => {
      if (event.type === 'view.get') here(system).tell(event.replyTo, { type: 'view', view: context.roster.view })
    },
    /** A peer's actor that crashed is restarted by its supervisor; watching twice is watching once. */
    watchPeer: ({ event, system }) => {
      const { watch, local } = here(system)
      if (event.type === 'peer.state') watch(local(peerPath(event.node)))
    },
    tellJoiners: ({ context, event, system }) => {
      if (event.type !== 'actor.down') return
      for (const joiner of context.joiners) {
        here(system).tell(joiner, { type: 'peer.forgotten', node: peerOf(event.ref) })
      }
    },
    /** Without their supervisor, what is known here of the peers has nobody behind it: both start anew. */
    endWithPeers: ({ event, system }) => {
      if (event.type !== 'actor.down' || event.exit.kind !== 'crash') return
      if (event.ref === here(system).local(peersPath)) throw new Error('the supervisor of the peers has given up')
    },
    /** Peers' actors say this in their heartbeats. */
    tellPeers: ({ context, system }) => {
      const { tell, local } = here(system)
      const self = selfNews(context)
      if (isSame(self, context.told)) return
      for (const { node, state } of context.roster.view.values()) {
        if (state !== 'self') tell(local(peerPath(node)), { type: 'peer.self', self })
      }
    },
    noteTold: assign({
      told: ({ context }) => selfNews(context),
      shown: ({ context }) => context.roster.view,
    }),
    /** What the others told an earlier incarnation of this actor. */
    askAnew: ({ system }) => {
      const { tell, local } = here(system)
      tell(local('node/network'), { type: 'network.describe' })
      tell(local('node/reporter'), { type: 'report.describe' })
    },
    tellView: ({ context, system }) => {
      if (context.roster.view !== context.shown) showView(context, system)
    },
    describeView: ({ context, system }) => showView(context, system),
    sayGoodbye: ({ context, system }) => {
      const { tell } = here(system)
      for (const node of healthyPeers(context)) tell(`${node}/${peerPath(context.node)}`, { type: 'peer.goodbye' })
    },
    awaitHangUps: assign({ awaited: ({ context }) => new Set(healthyPeers(context)) }),
    noteHungUp: assign({
      awaited: ({ context, event }) =>
        new Set([...context.awaited].filter((node) => event.type !== 'link.down' || node !== event.node)),
    }),
  },
  guards: {
    isAlone: ({ context }) => context.awaited.size === 0,
    /** Somebody says that this node does not answer, or has heard of an incarnation that it has not reached. */
    isAccused: ({ context, event }) => disputedIncarnation(context, event) !== undefined,
    hasDeparted: ({ event }) => event.type === 'actor.down' && hasDeparted(event),
    /** The second heartbeat that names a newer report: the gossip had its chance. */
    isStillBehind: ({ context, event }) =>
      event.type === 'peer.alive' && (context.roster.behind.get(event.node) ?? Infinity) <= event.reportVersion,
  },
  delays: { compare: compareMs },
}).createMachine({
  id: 'membership',
  options: machineOptions,
  context: ({ input }) => ({
    ...input,
    roster: aloneOn(input.node, input.nextIncarnation()),
    told: { incarnation: 0, reportVersion: 0, pace: 'mesh' },
    shown: undefined,
    awaited: new Set(),
  }),
  initial: 'present',
  states: {
    present: {
      entry: 'askAnew',
      initial: 'resting',
      states: {
        resting: { after: { compare: { target: 'resting', reenter: true, actions: 'compareWithSomebody' } } },
      },
      on: {
        'view.describe': { actions: 'describeView' },
        'peer.found': { actions: ['meet', 'learn'] },
        'link.up': { actions: ['meet', 'learn'] },
        'link.down': { actions: 'tellLinkDown' },
        'host.open': { actions: 'learn' },
        'peer.state': { actions: ['learn', 'watchPeer', ...announced] },
        'peer.greet': { actions: 'greet' },
        'peer.greeted': { actions: ['learn', 'tellAccused', 'passOn', 'tellHeld', 'compareWithGreeted', ...announced] },
        'peer.alive': [
          { guard: 'isStillBehind', actions: ['learn', 'tellAccused', 'passOn', 'askReport'] },
          { actions: ['learn', 'tellAccused', 'passOn'] },
        ],
        'peer.accused': { actions: ['learn', 'tellAccused', 'passOn'] },
        'peer.checked': { actions: ['learn', 'tellView'] },
        'members.claims': [{ guard: 'isAccused', actions: ['raise', 'refute', ...heard] }, { actions: [...heard] }],
        'members.rows': [
          { guard: 'isAccused', actions: ['raise', 'refute', ...heard, 'hint', 'askReports'] },
          { actions: [...heard, 'hint', 'askReports'] },
        ],
        'members.compare': { actions: 'answerCompare' },
        'report.own': { actions: ['learn', ...announced] },
        'report.received': { actions: ['learn', 'tellHeld', 'tellView'] },
        'report.gossiped': { actions: ['learn', 'tellHeld', 'tellView'] },
        'view.get': { actions: 'answerView' },
        'actor.down': [
          { guard: 'hasDeparted', actions: ['learn', 'passOn', 'tellJoiners', ...announced] },
          { actions: 'endWithPeers' },
        ],
        shutdown: 'leaving',
      },
    },
    /** Whoever hears a goodbye hangs up: then it has arrived, and the network may close. The others have `shutdownMs`. */
    leaving: {
      entry: ['sayGoodbye', 'awaitHangUps'],
      always: { guard: 'isAlone', target: 'gone' },
      on: { 'link.down': { actions: 'noteHungUp' } },
    },
    gone: { type: 'final' },
  },
})
