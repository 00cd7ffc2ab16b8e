/**
 * How this node listens to all the others: in a large cluster it has a few of them probed in each round (SWIM); in any
 * cluster it asks others about a peer that this node does not hear, hands rumours on, and judges how well this node
 * itself is (Lifeguard). The peers' machines decide what to make of it.
 */
import type { Message, NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, machineOptions, raise, setup } from '../src/runtime/logic.ts'
import type { Claim } from './claims.ts'
import type { Hearsay } from './peer-events.ts'
import { membershipPath, peerPath } from './roster.ts'
import { nextRumours, noRumours, type Rumours, withRumours, withTold } from './rumours.ts'
import { heardLatelyMs, heartbeatMs, raised, scoreAfterTick } from './suspicion.ts'
import type { ClusterView } from './view.ts'

/** Members probed in a round: with four, all but 2 % of a large cluster are probed by somebody in each. */
const probesPerRound = 4
/** Who is asked about a silent peer, and who hears news at once. */
const fanout = 3
/** Time to answer a question about a third node. */
const answerMs = 400
/**
 * A helper that has not heard the node lately probes it when it is asked, and is asked again after this: in a large
 * cluster most members hear each other only when they are probed (SWIM's indirect probe).
 */
const secondAskMs = 250

type ProberEvent =
  | { readonly type: 'view.changed'; readonly view: ClusterView; readonly pace: 'mesh' | 'swim' }
  | { readonly type: 'prober.ask'; readonly node: NodeId }
  /** None of these has heard the node lately; they have probed it now. */
  | { readonly type: 'prober.unheard'; readonly node: NodeId; readonly helpers: readonly NodeId[] }
  | { readonly type: 'prober.askAgain'; readonly node: NodeId; readonly helpers: readonly NodeId[] }
  | { readonly type: 'prober.unanswered' }
  /** Claims that others must hear. */
  | { readonly type: 'rumours.spread'; readonly claims: readonly Claim[] }
  /** Somebody suspected this node. */
  | { readonly type: 'self.accused' }

interface ProberContext {
  readonly peers: readonly NodeId[]
  readonly pace: 'mesh' | 'swim'
  /** Local health: 0 is well, 8 is hardly alive. */
  readonly score: number
  readonly dueMs: number
  readonly rumours: Rumours
  /** Who is still to be probed before anybody is probed again. */
  readonly round: readonly NodeId[]
}

/** Some of the given, each at most once. */
function sample(nodes: readonly NodeId[], count: number, random: () => number): NodeId[] {
  const left = [...nodes]
  const drawn: NodeId[] = []
  while (drawn.length < count && left.length > 0) {
    drawn.push(...left.splice(Math.floor(random() * left.length), 1))
  }
  return drawn
}

/** The next round's members: what is left of this turn through the cluster, or a newly shuffled one. */
function nextRound({ round, peers }: ProberContext, random: () => number): NodeId[] {
  const known = new Set(peers)
  const left = round.filter((node) => known.has(node))
  return left.length > 0 ? left : sample(peers, peers.length, random)
}

/** Sends what is to be said next to these nodes. */
function spread({ rumours }: ProberContext, to: readonly NodeId[], system: object): void {
  const claims = nextRumours(rumours)
  if (claims.length === 0) return
  for (const node of to) here(system).tell(`${node}/${membershipPath}`, { type: 'members.claims', claims })
}

/** Whether a helper has heard the node lately; undefined when the helper itself does not answer. */
async function hears(helper: NodeId, node: NodeId, system: object): Promise<boolean | undefined> {
  const answer = await here(system)
    .ask(`${helper}/${peerPath(node)}`, { type: 'peer.heard' }, answerMs)
    .catch((error: { reason?: unknown }) => (error.reason === 'absent' ? ({ type: 'absent' } as Message) : undefined))
  if (answer === undefined) return undefined
  return typeof answer.agoMs === 'number' && answer.agoMs <= heardLatelyMs
}

/** Asks helpers about the node, and the same ones again when their own probe has had time to be answered. */
async function askAbout(
  node: NodeId,
  helpers: readonly NodeId[],
  isSecond: boolean,
  context: ProberContext,
  system: object,
) {
  const { tell, local, self, monotonicMs } = here(system)
  const answers = await Promise.all(helpers.map((helper) => hears(helper, node, system)))
  const isUnanswered = helpers.length > 0 && answers.every((answer) => answer === undefined)
  const reachedBy = answers.filter((answer) => answer === true).length
  if (!isSecond && reachedBy === 0 && answers.includes(false)) {
    tell(self, { type: 'prober.unheard', node, helpers })
    return
  }
  const hearsay: Hearsay = {
    type: 'peer.hearsay',
    asked: helpers.length,
    reachedBy,
    score: isUnanswered ? raised(context.score) : context.score,
    nowMs: monotonicMs(),
  }
  if (isUnanswered) tell(self, { type: 'prober.unanswered' })
  tell(local(peerPath(node)), hearsay)
}

export const proberMachine = setup({
  types: { context: {} as ProberContext, events: {} as ProberEvent },
  actions: {
    askView: ({ system }) => {
      const { tell, local } = here(system)
      tell(local(membershipPath), { type: 'view.describe' })
    },
    noteView: assign(({ event }) => {
      if (event.type !== 'view.changed') return {}
      const peers = [...event.view.values()].filter(({ state }) => state === 'healthy').map(({ node }) => node)
      return { peers, pace: event.pace }
    }),
    ask: ({ context, event, system }) => {
      if (event.type !== 'prober.ask') return
      const others = context.peers.filter((peer) => peer !== event.node)
      void askAbout(event.node, sample(others, fanout, here(system).random), false, context, system)
    },
    askAgain: ({ context, event, system }) => {
      if (event.type === 'prober.askAgain') void askAbout(event.node, event.helpers, true, context, system)
    },
    planSecondAsk: raise(
      ({ event }) => {
        const { node, helpers } = event as Extract<ProberEvent, { type: 'prober.unheard' }>
        return { type: 'prober.askAgain', node, helpers } as const
      },
      { delay: secondAskMs },
    ),
    /** Before the round: late means that this node is not well. */
    judgeSelf: assign(({ context, system }) => ({
      score: scoreAfterTick(context.score, here(system).monotonicMs() - context.dueMs),
    })),
    planTick: assign({ dueMs: ({ system }) => here(system).monotonicMs() + heartbeatMs }),
    chooseRound: assign(({ context, system }) => {
      const { random } = here(system)
      return context.pace === 'swim' ? { round: nextRound(context, random) } : {}
    }),
    probe: ({ context, system }) => {
      const { tell, local } = here(system)
      if (context.pace !== 'swim') return
      for (const node of context.round.slice(0, probesPerRound)) tell(local(peerPath(node)), { type: 'peer.probe' })
    },
    noteProbed: assign({ round: ({ context }) => context.round.slice(probesPerRound) }),
    addRumours: assign(({ context, event }) =>
      event.type === 'rumours.spread' ? { rumours: withRumours(context.rumours, event.claims) } : {},
    ),
    spread: ({ context, system }) => spread(context, sample(context.peers, fanout, here(system).random), system),
    noteSpread: assign({
      rumours: ({ context: { rumours, peers } }) =>
        withTold(rumours, nextRumours(rumours), Math.max(1, Math.min(fanout, peers.length)), peers.length + 1),
    }),
    noteFailure: assign({ score: ({ context }) => raised(context.score) }),
  },
  guards: { hasRumours: ({ context }) => context.rumours.size > 0 },
  delays: { round: heartbeatMs },
}).createMachine({
  id: 'prober',
  options: machineOptions,
  context: { peers: [], pace: 'mesh', score: 0, dueMs: Infinity, rumours: noRumours, round: [] },
  entry: 'askView',
  on: {
    'view.changed': { actions: 'noteView' },
    'prober.ask': { actions: 'ask' },
    'prober.unheard': { actions: 'planSecondAsk' },
    'prober.askAgain': { actions: 'askAgain' },
    'prober.unanswered': { actions: 'noteFailure' },
    'self.accused': { actions: 'noteFailure' },
    // News goes out at once, and again with the rounds until it has been told often enough.
    'rumours.spread': { actions: ['addRumours', 'spread', 'noteSpread'] },
  },
  initial: 'starting',
  states: {
    starting: { after: { round: 'resting' } },
    resting: {
      entry: 'planTick',
      after: {
        round: [
          {
            guard: 'hasRumours',
            target: 'resting',
            reenter: true,
            actions: ['judgeSelf', 'chooseRound', 'probe', 'noteProbed', 'spread', 'noteSpread'],
          },
          { target: 'resting', reenter: true, actions: ['judgeSelf', 'chooseRound', 'probe', 'noteProbed'] },
        ],
      },
    },
  },
})
