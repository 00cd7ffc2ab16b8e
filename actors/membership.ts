/**
 * Who is in the cluster, as this node sees it. Starts an actor per peer, keeps what each reports about itself, and tells
 * the scheduler and whoever asks. Gossip is a hint: heartbeats carry the report's version, and who is behind asks.
 */
import type { NodeId, Ref } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, assign, machineOptions, setup } from '../src/runtime/logic.ts'
import type { PeerInput } from './peer.ts'
import {
  aloneOn,
  hasDeparted,
  learn,
  maxNodes,
  peerOf,
  peerPath,
  peersPath,
  type Roster,
  type RosterNews,
} from './roster.ts'

const reportAnswerMs = 2000
/** Addresses of one node that are passed on, and nodes that a hello mentions: what its schema takes. */
const maxPassedAddresses = 16
const maxMentionedPeers = 256

export interface MembershipInput {
  readonly node: NodeId
  /** Identifies this run of the process. */
  readonly boot: number
  /** Machines with what they need from outside. */
  readonly peer: AnyActorLogic
  readonly healthCheck: AnyActorLogic
  /** Refs of the actors that dial `--join` addresses. */
  readonly joiners: readonly Ref[]
}

type MembershipEvent =
  | RosterNews
  | { readonly type: 'link.down'; readonly node: NodeId }
  | { readonly type: 'view.get'; readonly replyTo: Ref }
  /** From a scheduler that has just started. */
  | { readonly type: 'view.describe' }
  | { readonly type: 'shutdown' }

interface MembershipContext extends MembershipInput {
  readonly roster: Roster
  /** Who has been told goodbye and has not hung up yet. */
  readonly awaited: ReadonlySet<NodeId>
}

const healthyPeers = ({ roster }: MembershipContext): NodeId[] =>
  [...roster.view.values()].filter(({ state }) => state === 'healthy').map(({ node }) => node)

/** Who a piece of news is about, where it may be a stranger. */
function strangerOf(event: MembershipEvent): Omit<PeerInput, 'reportVersion'> | undefined {
  if (event.type === 'peer.found') return { node: event.node, addresses: event.addresses, linked: false }
  if (event.type === 'link.up') return { node: event.node, addresses: [], linked: true }
  return undefined
}

const ownReport = ({ roster }: MembershipContext): NodeReport | undefined => roster.view.get(roster.self)?.report

export const membershipMachine = setup({
  types: { context: {} as MembershipContext, events: {} as MembershipEvent, input: {} as MembershipInput },
  actions: {
    learn: assign(({ context, event, system }) => ({
      roster: learn(context.roster, event as RosterNews, here(system).wallMs()),
    })),
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
      const input: PeerInput = { ...stranger, reportVersion: ownReport(context)?.version ?? 0 }
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
      const peers = [...view.values()]
        .filter(({ node, state }) => state === 'healthy' && node !== event.node)
        .slice(0, maxMentionedPeers)
        .map(({ node, addresses }) => ({ id: node, addresses: addresses.slice(0, maxPassedAddresses) }))
      here(system).tell(`${event.node}/${peerPath(self)}`, {
        type: 'peer.hello',
        name: report.name,
        software: report.software,
        boot: context.boot,
        answer: event.answer,
        addresses: view.get(self)?.addresses ?? [],
        peers,
        report,
      })
    },
    /** Peers of peers: one address to join is enough to find everybody. */
    meetMentioned: ({ context, event, system }) => {
      if (event.type !== 'peer.greeted') return
      const { tell, self } = here(system)
      for (const { id, addresses } of event.hello.peers) {
        if (!context.roster.view.has(id)) tell(self, { type: 'peer.found', node: id, addresses })
      }
    },
    askReport: ({ event, system }) => {
      if (event.type !== 'peer.alive') return
      const { ask, tell, self } = here(system)
      ask(`${event.node}/node/reporter`, { type: 'report.request' }, reportAnswerMs).then(
        (answer) =>
          tell(self, { type: 'report.received', report: { ...(answer.report as NodeReport), node: event.node } }),
        () => {}, // Unanswered: the next heartbeat shows again that we are behind.
      )
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
    /** Peers name this version in their heartbeats. */
    tellPeers: ({ context, system }) => {
      const { tell, local } = here(system)
      const version = ownReport(context)?.version ?? 0
      for (const { node, state } of context.roster.view.values()) {
        if (state !== 'self') tell(local(peerPath(node)), { type: 'report.published', version })
      }
    },
    /** What the others told an earlier incarnation of this actor. */
    askAnew: ({ system }) => {
      const { tell, local } = here(system)
      tell(local('node/network'), { type: 'network.describe' })
      tell(local('node/reporter'), { type: 'report.describe' })
    },
    tellView: ({ context, system }) => {
      const { tell, local } = here(system)
      tell(local('node/scheduler'), { type: 'view.changed', view: context.roster.view })
    },
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
    hasDeparted: ({ event }) => event.type === 'actor.down' && hasDeparted(event),
    /** The second heartbeat that names a newer report: the gossip had its chance. */
    isStillBehind: ({ context, event }) =>
      event.type === 'peer.alive' && (context.roster.behind.get(event.node) ?? Infinity) <= event.reportVersion,
  },
}).createMachine({
  id: 'membership',
  options: machineOptions,
  context: ({ input }) => ({ ...input, roster: aloneOn(input.node), awaited: new Set() }),
  initial: 'present',
  states: {
    present: {
      entry: 'askAnew',
      on: {
        'view.describe': { actions: 'tellView' },
        'peer.found': { actions: ['meet', 'learn'] },
        'link.up': { actions: ['meet', 'learn'] },
        'link.down': { actions: 'tellLinkDown' },
        'host.open': { actions: 'learn' },
        'peer.state': { actions: ['learn', 'watchPeer', 'tellView'] },
        'peer.greet': { actions: 'greet' },
        'peer.greeted': { actions: ['learn', 'meetMentioned', 'tellView'] },
        'peer.alive': [{ guard: 'isStillBehind', actions: ['learn', 'askReport'] }, { actions: 'learn' }],
        'peer.checked': { actions: 'learn' },
        'report.own': { actions: ['learn', 'tellPeers', 'tellView'] },
        'report.received': { actions: ['learn', 'tellView'] },
        'report.gossiped': { actions: ['learn', 'tellView'] },
        'view.get': { actions: 'answerView' },
        'actor.down': [
          { guard: 'hasDeparted', actions: ['learn', 'tellJoiners', 'tellView'] },
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
