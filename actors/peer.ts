/**
 * The life of a peer: discovered → dialling → admitting → healthy ⇄ suspect → unreachable → departed.
 * A lost link is redialled before anybody is declared gone. In a full mesh both sides beat all the time; in a large cluster
 * a peer is quiet until the prober has it probed, and then it is listened to in the same way. Nobody is accused before
 * others were asked whether they hear it: `prober.ts` asks them.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import { accuses } from './claims.ts'
import type { Heartbeat, HeartbeatKind, PeerEvent, PeerInput, PeerNews } from './peer-events.ts'
import { accusationMs, heardLatelyMs, heartbeatMs, silenceLimitMs, starvedMs } from './suspicion.ts'
import type { NodeState } from './view.ts'

/** A hello is repeated until it is answered: the other side may still be starting its actor for us, or be very busy. */
const helloMs = 250
const maxHelloMs = 2000
/** No answer to so many hellos, after 6 to 8 seconds: dial anew. Counted, because a starved node also sends them late. */
const maxHellos = 6
/** A link that is not back after this is as good as silence. */
const lostLinkMs = 4000
/** Pause before an unreachable peer is redialled, while the loss is fresh: with a dial's own limit, a heal is seen within 3 s. */
const redialMs = 800
const freshMs = 120_000
/** Pause later on: what this misses the first exchange with anybody on the other side brings. */
const slowRedialMs = 3000
/** After this long unreachable a peer is forgotten, unless others reach it. */
const departAfterMs = 600_000

interface PeerContext extends PeerInput {
  /** Which run of the peer's process we know; 0: none yet. */
  readonly boot: number
  readonly incarnation: number
  /** It is said not to answer, and has not denied it yet. */
  readonly isAccused: boolean
  readonly heldVersion: number
  /** Hellos since this admission began. */
  readonly hellos: number
  /** Monotonic time of the last sign of life; undefined: never heard. */
  readonly heardMs: number | undefined
  /** Since when silence counts. */
  readonly listeningMs: number
  /** When the next heartbeat is due. */
  readonly dueMs: number
  /** When it was lost. */
  readonly lostMs: number
  /** Why it is in its state, for people. */
  readonly reason: string
}

function tellMembership(system: object, news: PeerNews): void {
  const { tell, local } = here(system)
  tell(local('node/membership'), { ...news })
}

function sendHeartbeat(system: object, context: PeerContext, kind: HeartbeatKind): void {
  const { tell, node } = here(system)
  const { incarnation, reportVersion } = context.self
  tell(`${context.node}/node/peers/${node}`, { type: 'peer.heartbeat', incarnation, reportVersion, kind })
}

/** Membership knows less than this heartbeat says, or its sender must hear what is said of it. */
function isNews(context: PeerContext, { reportVersion, incarnation }: Heartbeat): boolean {
  return reportVersion > context.heldVersion || incarnation > context.incarnation || context.isAccused
}

/** A heartbeat timer that fired late excuses the peer: its own heartbeats may still wait in our buffers. */
function listeningSince({ listeningMs, dueMs }: PeerContext, nowMs: number): number {
  const lateMs = nowMs - dueMs
  return lateMs > starvedMs ? Math.min(nowMs, listeningMs + lateMs) : listeningMs
}

const silentMs = (context: PeerContext, nowMs: number): number => nowMs - listeningSince(context, nowMs)

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const greetAnswer = { type: 'greet', params: { answer: true } } as const
const welcome = ['noteHello', 'tellHello'] as const
const hear = ['tellNews', 'noteHeard', 'answerProbe'] as const

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
    /** Provided: closes what is left of the connection, now. */
    hangUp: (_, _node: { node: NodeId }) => {},
    tellState: ({ system, context }, { state }: { state: NodeState }) =>
      tellMembership(system, { type: 'peer.state', node: context.node, state, reason: context.reason }),
    greet: ({ system, context }, { answer }: { answer: boolean }) =>
      tellMembership(system, { type: 'peer.greet', node: context.node, answer }),
    tellHello: ({ system, context, event }) => {
      if (event.type === 'peer.hello')
        tellMembership(system, { type: 'peer.greeted', node: context.node, hello: event })
    },
    tellNews: ({ system, context, event }) => {
      if (event.type !== 'peer.heartbeat' || !isNews(context, event)) return
      const { incarnation, reportVersion } = event
      tellMembership(system, { type: 'peer.alive', node: context.node, incarnation, reportVersion })
    },
    accuse: ({ system, context: { node, incarnation } }) =>
      tellMembership(system, { type: 'peer.accused', node, incarnation, status: 'unreachable' }),
    /** In a full mesh everybody hears the silence itself. */
    suspectAloud: ({ system, context: { node, incarnation, self } }) => {
      if (self.pace === 'swim') tellMembership(system, { type: 'peer.accused', node, incarnation, status: 'suspect' })
    },
    beat: ({ system, context }) => sendHeartbeat(system, context, context.self.pace === 'swim' ? 'probe' : 'beat'),
    probe: ({ system, context }) => sendHeartbeat(system, context, 'probe'),
    answerProbe: ({ system, context, event }) => {
      if (event.type !== 'peer.heartbeat') return
      const isWanted = event.kind === 'probe' || (event.kind === 'beat' && context.self.pace === 'swim')
      if (isWanted) sendHeartbeat(system, context, 'answer')
    },
    askOthers: ({ system, context }) => {
      const { tell, local } = here(system)
      tell(local('node/prober'), { type: 'prober.ask', node: context.node })
    },
    /** Until it is accused: what others heard before it was lost here says nothing yet. */
    askOthersOn: ({ system, context }) => {
      const { tell, local } = here(system)
      if (!context.isAccused) tell(local('node/prober'), { type: 'prober.ask', node: context.node })
    },
    /** What is known now; a peer that has been silent is pinged, so that the next answer is fresh. */
    answerHeard: ({ system, context, event }) => {
      if (event.type !== 'peer.heard') return
      const { tell, monotonicMs } = here(system)
      const agoMs = context.heardMs === undefined ? null : monotonicMs() - context.heardMs
      tell(event.replyTo, { type: 'peer.hearing', agoMs })
      if (agoMs !== null && agoMs > heartbeatMs) sendHeartbeat(system, context, 'probe')
    },
    noteHello: assign(({ context, event, system }) => {
      if (event.type !== 'peer.hello') return {}
      const nowMs = here(system).monotonicMs()
      const addresses = event.addresses.length > 0 ? event.addresses : context.addresses
      const { boot, incarnation } = event
      return { boot, incarnation, isAccused: false, heardMs: nowMs, listeningMs: nowMs, addresses, reason: '' }
    }),
    noteHeard: assign(({ context, event, system }) => {
      if (event.type !== 'peer.heartbeat') return {}
      const nowMs = here(system).monotonicMs()
      const isAccused = context.isAccused && event.incarnation <= context.incarnation
      return { incarnation: event.incarnation, isAccused, heardMs: nowMs, listeningMs: nowMs, reason: '' }
    }),
    planBeat: assign(({ context, system }) => {
      const nowMs = here(system).monotonicMs()
      return { listeningMs: listeningSince(context, nowMs), dueMs: nowMs + heartbeatMs }
    }),
    /** What was before does not count as silence. */
    listen: assign(({ system }) => {
      const nowMs = here(system).monotonicMs()
      return { listeningMs: nowMs, dueMs: nowMs + heartbeatMs }
    }),
    noteSilence: assign(({ context, system }) => ({
      reason: `silent for ${seconds(silentMs(context, here(system).monotonicMs()))}`,
    })),
    noteGone: assign(({ context, event, system }) => {
      if (event.type !== 'peer.hearsay') return {}
      const silence = seconds(silentMs(context, here(system).monotonicMs()))
      const others = event.asked === 0 ? 'nobody else can be asked' : `none of ${event.asked} others hears it`
      return { isAccused: true, reason: `silent for ${silence}; ${others}` }
    }),
    noteReached: assign(({ event }) =>
      event.type === 'peer.hearsay'
        ? { reason: `${event.reachedBy} of ${event.asked} others reach it, this node does not` }
        : {},
    ),
    countHello: assign(({ context }) => ({ hellos: context.hellos + 1 })),
    forgetHellos: assign({ hellos: 0 }),
    noteReason: assign((_, { reason }: { reason: string }) => ({ reason })),
    noteFailedDial: assign(({ context }, { error }: { error: unknown }) => ({
      reason: context.reason.includes('others reach it')
        ? context.reason
        : `cannot be dialled: ${(error as Error).message}`.slice(0, 500),
    })),
    /** No heartbeat is due any more: the silence is what it is. */
    noteLost: assign(({ system }) => ({ lostMs: here(system).monotonicMs(), dueMs: Infinity })),
    noteClaim: assign(({ context, event }) => {
      if (event.type !== 'peer.claimed') return {}
      const incarnation = Math.max(context.incarnation, event.claim.incarnation)
      const isAccused = accuses(event.claim)
      return {
        incarnation,
        isAccused,
        reason: isAccused && context.reason === '' ? `others say that it is ${event.claim.status}` : context.reason,
      }
    }),
    noteAddresses: assign(({ event }) => (event.type === 'peer.found' ? { addresses: event.addresses } : {})),
    noteSelf: assign(({ event }) => (event.type === 'peer.self' ? { self: event.self } : {})),
    noteHeld: assign(({ event }) => (event.type === 'report.held' ? { heldVersion: event.version } : {})),
  },
  guards: {
    isLinked: ({ context }) => context.linked,
    isSwim: ({ context }) => context.self.pace === 'swim',
    isOtherPace: ({ context, event }) => event.type === 'peer.self' && event.self.pace !== context.self.pace,
    isFirstHello: ({ event }) => event.type === 'peer.hello' && !event.answer,
    isGreetedInVain: ({ context }) => context.hellos >= maxHellos,
    isRestart: ({ context, event }) => event.type === 'peer.hello' && context.boot !== 0 && event.boot !== context.boot,
    /** Of an incarnation that is over. */
    isStale: ({ context, event }) =>
      (event.type === 'peer.heartbeat' && event.incarnation < context.incarnation) ||
      (event.type === 'peer.claimed' && event.claim.incarnation < context.incarnation),
    /** When its timer was due: what came later is our own lateness. */
    isSilent: ({ context: { dueMs, listeningMs, self } }) => dueMs - listeningMs > silenceLimitMs(self.pace),
    /** A probed peer has answered: there is no need to go on. */
    isSatisfied: ({ context }) => context.self.pace === 'swim' && (context.heardMs ?? 0) >= context.listeningMs,
    /** The link is what is broken, not the peer. */
    isReachedByOthers: ({ context, event }) =>
      event.type === 'peer.hearsay' &&
      event.reachedBy > 0 &&
      silentMs(context, event.nowMs) > silenceLimitMs(context.self.pace),
    /** Nobody hears it, and it has had its time. */
    isGone: ({ context, event }) =>
      event.type === 'peer.hearsay' &&
      event.reachedBy === 0 &&
      silentMs(context, event.nowMs) > accusationMs(context.self.pace, event.score),
    /** Own ears are better than what others say. */
    isHeardLately: ({ context, event }) =>
      event.type === 'peer.claimed' && context.heardMs !== undefined && event.nowMs - context.heardMs <= heardLatelyMs,
    saysDeparted: ({ event }) => event.type === 'peer.claimed' && event.claim.status === 'departed',
    saysUnreachable: ({ event }) => event.type === 'peer.claimed' && event.claim.status === 'unreachable',
    saysAlive: ({ event }) => event.type === 'peer.claimed' && event.claim.status === 'alive',
    /** The accused has spoken: it lives, in a higher incarnation. */
    isRefuted: ({ context, event }) =>
      event.type === 'peer.claimed' && event.claim.status === 'alive' && event.claim.incarnation > context.incarnation,
  },
  delays: {
    heartbeat: heartbeatMs,
    hello: ({ context }) => Math.min(maxHelloMs, helloMs * 2 ** (context.hellos - 1)),
    lostLink: lostLinkMs,
    depart: departAfterMs,
    redial: ({ context, system }) => {
      const { monotonicMs, random } = here(system)
      const pauseMs = monotonicMs() - context.lostMs < freshMs ? redialMs : slowRedialMs
      return pauseMs * (0.7 + 0.6 * random())
    },
  },
}).createMachine({
  id: 'peer',
  options: machineOptions,
  context: ({ input }) => ({
    ...input,
    boot: 0,
    incarnation: 0,
    isAccused: false,
    heldVersion: 0,
    hellos: 0,
    heardMs: undefined,
    listeningMs: 0,
    dueMs: 0,
    lostMs: 0,
    reason: '',
  }),
  initial: 'discovered',
  on: {
    'peer.found': { actions: 'noteAddresses' },
    'peer.self': { actions: 'noteSelf' },
    'report.held': { actions: 'noteHeld' },
    'peer.heard': { actions: 'answerHeard' },
    'peer.goodbye': '.departed',
    'peer.claimed': [
      { guard: 'isStale' },
      { guard: 'saysDeparted', target: '.departed', actions: 'noteClaim' },
      { actions: 'noteClaim' },
    ],
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
        onError: {
          target: 'unreachable',
          actions: { type: 'noteFailedDial', params: ({ event }) => ({ error: event.error }) },
        },
      },
      on: { 'link.up': 'admitting' },
    },
    admitting: {
      entry: ['forgetHellos', { type: 'tellState', params: { state: 'admitting' } }],
      initial: 'greeting',
      states: {
        greeting: {
          entry: ['countHello', { type: 'greet', params: { answer: false } }],
          after: {
            hello: [
              {
                guard: 'isGreetedInVain',
                target: '#peer.unreachable',
                actions: { type: 'noteReason', params: { reason: 'it does not answer a greeting' } },
              },
              { target: 'greeting', reenter: true },
            ],
          },
        },
      },
      on: {
        'link.down': {
          target: 'unreachable',
          actions: { type: 'noteReason', params: { reason: 'its connection broke during the greeting' } },
        },
      },
    },
    healthy: {
      entry: { type: 'tellState', params: { state: 'healthy' } },
      initial: 'pacing',
      states: {
        pacing: {
          always: [
            { guard: 'isSwim', target: 'quiet' },
            { target: 'beating', actions: 'listen' },
          ],
        },
        /** Silence means nothing until it is probed. */
        quiet: { on: { 'peer.probe': { target: 'beating', actions: 'listen' } } },
        beating: {
          entry: ['planBeat', 'beat'],
          after: {
            heartbeat: [
              { guard: 'isSilent', target: '#peer.suspect', actions: ['noteSilence', 'suspectAloud'] },
              { guard: 'isSatisfied', target: 'quiet' },
              { target: 'beating', reenter: true },
            ],
          },
        },
      },
      on: {
        'peer.heartbeat': [{ guard: 'isStale' }, { actions: [...hear] }],
        'peer.self': [{ guard: 'isOtherPace', target: '.pacing', actions: 'noteSelf' }, { actions: 'noteSelf' }],
        'peer.claimed': [
          { guard: 'isStale' },
          { guard: 'saysAlive', actions: 'noteClaim' },
          { guard: 'isHeardLately', actions: 'noteClaim' },
          { guard: 'saysDeparted', target: 'departed', actions: 'noteClaim' },
          { guard: 'saysUnreachable', target: 'unreachable', actions: 'noteClaim' },
          { target: 'suspect', actions: ['noteClaim', 'listen'] },
        ],
        'link.down': {
          target: 'suspect.redialling',
          actions: { type: 'noteReason', params: { reason: 'its connection broke' } },
        },
      },
    },
    /** No new work while others are asked. */
    suspect: {
      entry: { type: 'tellState', params: { state: 'suspect' } },
      initial: 'silent',
      states: {
        silent: {
          entry: ['planBeat', 'probe', 'askOthers'],
          after: { heartbeat: { target: 'silent', reenter: true } },
          on: {
            'peer.hearsay': [
              {
                guard: 'isReachedByOthers',
                target: 'redialling',
                actions: ['noteReached', { type: 'hangUp', params: ({ context }) => context }],
              },
              { guard: 'isGone', target: '#peer.unreachable', actions: ['noteGone', 'accuse'] },
            ],
            'peer.heartbeat': [{ guard: 'isStale' }, { target: '#peer.healthy', actions: [...hear] }],
            'peer.claimed': [
              { guard: 'isStale' },
              { guard: 'isRefuted', target: '#peer.healthy', actions: ['noteClaim', 'listen'] },
              { guard: 'saysDeparted', target: '#peer.departed', actions: 'noteClaim' },
              { guard: 'saysUnreachable', target: '#peer.unreachable', actions: 'noteClaim' },
              { actions: 'noteClaim' },
            ],
            'link.down': 'redialling',
          },
        },
        redialling: {
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ node: context.node, addresses: context.addresses }),
            onDone: '#peer.admitting',
            onError: {
              target: '#peer.unreachable',
              actions: { type: 'noteFailedDial', params: ({ event }) => ({ error: event.error }) },
            },
          },
          after: { lostLink: '#peer.unreachable' },
          on: { 'link.up': '#peer.admitting' },
        },
      },
    },
    unreachable: {
      entry: [
        'noteLost',
        { type: 'declareDown', params: ({ context }) => context },
        { type: 'hangUp', params: ({ context }) => context },
        { type: 'tellState', params: { state: 'unreachable' } },
      ],
      initial: 'waiting',
      states: {
        waiting: {
          entry: 'askOthersOn',
          after: { redial: 'redialling' },
          on: {
            // Somebody has news of it: this is the moment to try.
            'peer.claimed': [
              { guard: 'isStale' },
              { guard: 'saysDeparted', target: '#peer.departed', actions: 'noteClaim' },
              { guard: 'saysAlive', target: 'redialling', actions: 'noteClaim' },
              { actions: 'noteClaim' },
            ],
          },
        },
        redialling: {
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ node: context.node, addresses: context.addresses }),
            onDone: '#peer.admitting',
            onError: 'waiting',
          },
        },
        /** Before it is forgotten: does anybody reach it? */
        asking: {
          entry: 'askOthers',
          after: { lostLink: 'waiting' },
          on: {
            'peer.hearsay': [
              { guard: 'isReachedByOthers', target: '#peer.unreachable', reenter: true, actions: 'noteReached' },
              { target: '#peer.departed' },
            ],
          },
        },
      },
      after: { depart: '.asking' },
      on: {
        'link.up': 'admitting',
        'peer.hearsay': [
          {
            guard: 'isReachedByOthers',
            actions: ['noteReached', { type: 'tellState', params: { state: 'unreachable' } }],
          },
          {
            guard: 'isGone',
            actions: ['noteGone', 'accuse', { type: 'tellState', params: { state: 'unreachable' } }],
          },
        ],
      },
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
