/** Follows one actor, near or far, and hands its transitions to a stream; ends when the stream or the followed node does. */
import type { Ref } from '../protocols/ref.ts'
import { nodeOf, pathOf } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import type { TransitionNews } from './inspector.ts'

const answerMs = 5000

/** Where the transitions go: a channel of the listener. */
export interface FollowerSink {
  /** The followed actor exists, or not. */
  onFollowing(found: boolean): void
  push(news: TransitionNews): void
  end(): void
}

export interface FollowerInput {
  readonly target: Ref
  readonly sink: FollowerSink
}

type FollowerEvent = TransitionNews | ActorDown | { readonly type: 'follower.stop' }

interface FollowerContext extends FollowerInput {
  readonly found: boolean
}

const subscribe = fromPromise<boolean, { target: Ref }>(async ({ input, system }) => {
  const { ask, self } = here(system)
  const inspector = `${nodeOf(input.target)}/node/inspector`
  const answer = await ask(
    inspector,
    { type: 'inspector.follow', path: pathOf(input.target), subscriber: self },
    answerMs,
  )
  return answer.found === true
})

/** Ends the stream with this actor, whatever ends it. */
const outlet = fromCallback<{ type: 'none' }, { sink: FollowerSink }>(
  ({ input }) =>
    () =>
      input.sink.end(),
)

export const followerMachine = setup({
  types: { context: {} as FollowerContext, events: {} as FollowerEvent, input: {} as FollowerInput },
  actors: { subscribe, outlet },
  actions: {
    noteFound: assign((_, { found }: { found: boolean }) => ({ found })),
    tellFound: ({ context }) => context.sink.onFollowing(context.found),
    pass: ({ context, event }) => {
      if (event.type === 'inspector.transition') context.sink.push(event)
    },
    watchInspector: ({ context, system }) => here(system).watch(`${nodeOf(context.target)}/node/inspector`),
    unsubscribe: ({ context, system }) => {
      const { tell, self } = here(system)
      const inspector = `${nodeOf(context.target)}/node/inspector`
      tell(inspector, { type: 'inspector.unfollow', path: pathOf(context.target), subscriber: self })
    },
  },
  guards: { isFound: ({ context }) => context.found },
}).createMachine({
  id: 'follower',
  options: machineOptions,
  context: ({ input }) => ({ ...input, found: false }),
  invoke: { src: 'outlet', input: ({ context }) => ({ sink: context.sink }) },
  initial: 'subscribing',
  on: { 'follower.stop': '.ended', 'actor.down': '.ended', 'inspector.transition': { actions: 'pass' } },
  states: {
    subscribing: {
      entry: 'watchInspector',
      invoke: {
        src: 'subscribe',
        input: ({ context }) => ({ target: context.target }),
        onDone: { target: 'judging', actions: { type: 'noteFound', params: ({ event }) => ({ found: event.output }) } },
        onError: 'judging',
      },
    },
    judging: {
      entry: 'tellFound',
      always: [{ guard: 'isFound', target: 'following' }, { target: 'ended' }],
    },
    following: {},
    ended: { type: 'final', entry: 'unsubscribe' },
  },
})
