/**
 * The life of a peer: discovered → dialling → admitting → healthy ⇄ suspect → unreachable → departed.
 * A lost link is redialled before anybody is declared gone: refused at once means that the process is gone; silence is
 * measured in heartbeats. A node that was itself starved of time accuses nobody.
 */
import type { Message, NodeId } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { NodeState } from './view.ts'

/** How often each side says that it is alive. */
const heartbeatMs = 500
/** Silence after which a peer gets no new work: four heartbeats. */
const suspectAfterMs = 2000
/** Silence after which a peer is gone for us. Seen at the next heartbeat, so 4.5 s at the latest: the promise is 5. */
const unreachableAfterMs = 4000
/** A timer that fires this late says more about us than about the peer. */
const starvedMs = 300
/** A hello is repeated until it is answered: the other side may still be starting its actor for us. */
const helloMs = 250
/** No answer to any hello: dial anew. */
const admitMs = 5000
/** First pause before an unreachable peer is redialled; doubles up to the last. */
const redialMinMs = 500
const redialMaxMs = 10_000
/** After this long unreachable a peer is forgotten, until it dials us or is found again. */
const departAfterMs = 600_000

export interface PeerInput {
  readonly node: NodeId
  readonly addresses: readonly string[]
  /** Whether a connection is already open. */
  readonly linked: boolean
  /** Version of this node's own report, for the heartbeats. */
  readonly reportVersion: number
}

export interface PeerHello extends Message {
  readonly type: 'peer.hello'
  readonly name: string
  readonly software: string
  readonly boot: number
  readonly answer: boolean
  readonly addresses: readonly string[]
  readonly peers: ReadonlyArray<{ readonly id: NodeId; readonly addresses: readonly string[] }>
  readonly report: NodeReport
}

type PeerEvent =
  | PeerHello
  | { readonly type: 'peer.heartbeat'; readonly sequence: number; readonly reportVersion: number }
  | { readonly type: 'peer.goodbye' }
  | { readonly type: 'peer.found'; readonly addresses: readonly string[] }
  | { readonly type: 'report.published'; readonly version: number }
  | { readonly type: 'link.up' }
  | { readonly type: 'link.down' }

interface PeerContext extends PeerInput {
  /** Which run of the peer's process we know; 0: none yet. */
  readonly boot: number
  /** Monotonic time of the last sign of life. */
  readonly heardMs: number
  /** When the next heartbeat is due. */
  readonly dueMs: number
  /** How long the peer was silent when the last heartbeat was due. */
  readonly silentMs: number
  readonly sequence: number
  readonly failures: number
}

/** What a peer tells membership. */
export type PeerNews =
  | { readonly type: 'peer.state'; readonly node: NodeId; readonly state: NodeState }
  | { readonly type: 'peer.greeted'; readonly node: NodeId; readonly hello: PeerHello }
  | { readonly type: 'peer.alive'; readonly node: NodeId; readonly reportVersion: number }
  | { readonly type: 'peer.greet'; readonly node: NodeId; readonly answer: boolean }

function tellMembership(system: object, news: PeerNews): void {
  const { tell, local } = here(system)
  tell(local('node/membership'), { ...news })
}

const greetAnswer = { type: 'greet', params: { answer: true } } as const
const welcome = ['noteHello', 'tellHello'] as const

export const peerMachine = setup({
  types: { context: {} as PeerContext, events: {} as PeerEvent, input: {} as PeerInput },
  actors: {
    /** Provided: opens a connection; rejects when no address answers as this peer. */
    dial: fromPromise<void, { node: NodeId; addresses: readonly string[] }>(() =>
      Promise.reject(new Error('no network')),
    ),
  },
  actions: {
    /** Provided: watches and asks on this node are over. */
    declareDown: (_, _node: { node: NodeId }) => {},
    /** Provided: closes what is left of the connection. */
    hangUp: (_, _node: { node: NodeId }) => {},
    tellState: ({ system, context }, { state }: { state: NodeState }) =>
      tellMembership(system, { type: 'peer.state', node: context.node, state }),
    greet: ({ system, context }, { answer }: { answer: boolean }) =>
      tellMembership(system, { type: 'peer.greet', node: context.node, answer }),
    tellHello: ({ system, context, event }) => {
      if (event.type === 'peer.hello')
        tellMembership(system, { type: 'peer.greeted', node: context.node, hello: event })
    },
    tellAlive: ({ system, context, event }) => {
      if (event.type !== 'peer.heartbeat') return
      tellMembership(system, { type: 'peer.alive', node: context.node, reportVersion: event.reportVersion })
    },
    beat: ({ system, context }) => {
      const { tell, node } = here(system)
      const { sequence, reportVersion } = context
      tell(`${context.node}/node/peers/${node}`, { type: 'peer.heartbeat', sequence, reportVersion })
    },
    noteHello: assign(({ context, event, system }) => {
      if (event.type !== 'peer.hello') return {}
      const addresses = event.addresses.length > 0 ? event.addresses : context.addresses
      return { boot: event.boot, heardMs: here(system).monotonicMs(), failures: 0, addresses }
    }),
    noteHeard: assign({ heardMs: ({ system }) => here(system).monotonicMs() }),
    /** A heartbeat timer that fired late excuses the peer: its own heartbeats may still wait in our buffers. */
    measureSilence: assign(({ context, system }) => {
      const nowMs = here(system).monotonicMs()
      const lateMs = nowMs - context.dueMs
      const heardMs = lateMs > starvedMs ? Math.min(nowMs, context.heardMs + lateMs) : context.heardMs
      return { heardMs, silentMs: nowMs - heardMs }
    }),
    planBeat: assign({
      dueMs: ({ system }) => here(system).monotonicMs() + heartbeatMs,
      sequence: ({ context }) => context.sequence + 1,
    }),
    noteFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    noteAddresses: assign(({ event }) => (event.type === 'peer.found' ? { addresses: event.addresses } : {})),
    noteReport: assign(({ event }) => (event.type === 'report.published' ? { reportVersion: event.version } : {})),
  },
  guards: {
    isLinked: ({ context }) => context.linked,
    isFirstHello: ({ event }) => event.type === 'peer.hello' && !event.answer,
    isRestart: ({ context, event }) => event.type === 'peer.hello' && context.boot !== 0 && event.boot !== context.boot,
    isSilent: ({ context }) => context.silentMs > suspectAfterMs,
    isGone: ({ context }) => context.silentMs > unreachableAfterMs,
  },
  delays: {
    heartbeat: heartbeatMs,
    hello: helloMs,
    admit: admitMs,
    lostLink: unreachableAfterMs,
    depart: departAfterMs,
    redial: ({ context, system }) => {
      const pauseMs = Math.min(redialMaxMs, redialMinMs * 2 ** Math.min(context.failures, 10))
      return pauseMs * (0.8 + 0.4 * here(system).random())
    },
  },
}).createMachine({
  id: 'peer',
  options: machineOptions,
  context: ({ input }) => ({ ...input, boot: 0, heardMs: 0, dueMs: 0, silentMs: 0, sequence: 0, failures: 0 }),
  initial: 'discovered',
  on: {
    'peer.found': { actions: 'noteAddresses' },
    'report.published': { actions: 'noteReport' },
    'peer.goodbye': '.departed',
    'peer.hello': [
      {
        guard: 'isRestart',
        target: '.healthy',
        actions: [{ type: 'declareDown', params: ({ context }) => context }, ...welcome, greetAnswer],
      },
      { guard: 'isFirstHello', target: '.healthy', actions: [...welcome, greetAnswer] },
      { target: '.healthy', actions: [...welcome] },
    ],
  },
  states: {
    discovered: { always: [{ guard: 'isLinked', target: 'admitting' }, { target: 'dialling' }] },
    dialling: {
      entry: { type: 'tellState', params: { state: 'dialling' } },
      invoke: {
        src: 'dial',
        input: ({ context }) => ({ node: context.node, addresses: context.addresses }),
        onDone: 'admitting',
        onError: { target: 'unreachable', actions: 'noteFailure' },
      },
      on: { 'link.up': 'admitting' },
    },
    admitting: {
      entry: { type: 'tellState', params: { state: 'admitting' } },
      initial: 'greeting',
      states: {
        greeting: {
          entry: { type: 'greet', params: { answer: false } },
          after: { hello: { target: 'greeting', reenter: true } },
        },
      },
      after: { admit: { target: 'unreachable', actions: 'noteFailure' } },
      on: { 'link.down': { target: 'unreachable', actions: 'noteFailure' } },
    },
    healthy: {
      entry: { type: 'tellState', params: { state: 'healthy' } },
      initial: 'listening',
      states: {
        listening: { entry: ['planBeat', 'beat'], after: { heartbeat: 'judging' } },
        judging: {
          entry: 'measureSilence',
          always: [{ guard: 'isSilent', target: '#peer.suspect' }, { target: 'listening' }],
        },
      },
      on: {
        'peer.heartbeat': { actions: ['noteHeard', 'tellAlive'] },
        'link.down': 'suspect.redialling',
      },
    },
    suspect: {
      entry: { type: 'tellState', params: { state: 'suspect' } },
      initial: 'silent',
      states: {
        silent: {
          entry: ['planBeat', 'beat'],
          after: { heartbeat: 'judging' },
          on: {
            'peer.heartbeat': { target: '#peer.healthy', actions: ['noteHeard', 'tellAlive'] },
            'link.down': 'redialling',
          },
        },
        judging: {
          entry: 'measureSilence',
          always: [{ guard: 'isGone', target: '#peer.unreachable' }, { target: 'silent' }],
        },
        redialling: {
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ node: context.node, addresses: context.addresses }),
            onDone: '#peer.admitting',
            onError: { target: '#peer.unreachable', actions: 'noteFailure' },
          },
          after: { lostLink: { target: '#peer.unreachable', actions: 'noteFailure' } },
          on: { 'link.up': '#peer.admitting' },
        },
      },
    },
    unreachable: {
      entry: [
        { type: 'declareDown', params: ({ context }) => context },
        { type: 'hangUp', params: ({ context }) => context },
        { type: 'tellState', params: { state: 'unreachable' } },
      ],
      initial: 'waiting',
      states: {
        waiting: { after: { redial: 'redialling' } },
        redialling: {
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ node: context.node, addresses: context.addresses }),
            onDone: '#peer.admitting',
            onError: { target: 'waiting', actions: 'noteFailure' },
          },
        },
      },
      after: { depart: 'departed' },
      on: { 'link.up': 'admitting' },
    },
    departed: {
      type: 'final',
      entry: [
        { type: 'declareDown', params: ({ context }) => context },
        { type: 'hangUp', params: ({ context }) => context },
      ],
    },
  },
})
