/**
 * Shows this node's actors to whoever asks, near or far: a census on demand, and the transitions of one actor to its
 * followers. Nothing is collected while nobody looks.
 */
import type { Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ActorInfo } from '../src/runtime/runtime.ts'
import type { ActorDown } from '../src/runtime/watches.ts'

/** Followers of one node at the same time: a screen each. */
const maxFollowers = 64
/** Actors in one answer: what a frame takes. */
const maxShownActors = 4096

type Unfollow = () => void

export interface InspectorInput {
  readonly census: () => readonly ActorInfo[]
  /** Calls back with every transition; undefined when there is no such actor. */
  readonly follow: (
    path: string,
    onTransition: (before: string, after: string, event: string) => void,
  ) => Unfollow | undefined
}

/** Sent to a follower: one transition, or that there is nothing to follow. */
export interface TransitionNews {
  readonly type: 'inspector.transition'
  readonly path: string
  readonly before: string
  readonly after: string
  readonly event: string
  readonly atMs: number
}

type InspectorEvent =
  | { readonly type: 'inspector.snapshot'; readonly replyTo: Ref }
  | { readonly type: 'inspector.follow'; readonly path: string; readonly subscriber: Ref; readonly replyTo: Ref }
  | { readonly type: 'inspector.unfollow'; readonly path: string; readonly subscriber: Ref }
  | ActorDown

interface InspectorContext extends InspectorInput {
  /** By subscriber: the end of its subscription. */
  readonly followers: ReadonlyMap<Ref, Unfollow>
}

function without(context: InspectorContext, subscriber: Ref): Pick<InspectorContext, 'followers'> {
  const followers = new Map(context.followers)
  followers.get(subscriber)?.()
  followers.delete(subscriber)
  return { followers }
}

export const inspectorMachine = setup({
  types: { context: {} as InspectorContext, events: {} as InspectorEvent, input: {} as InspectorInput },
  actions: {
    answer: ({ context, event, system }) => {
      if (event.type !== 'inspector.snapshot') return
      const actors = context.census().slice(0, maxShownActors)
      here(system).tell(event.replyTo, { type: 'inspector.tree', actors })
    },
    follow: assign(({ context, event, system }) => {
      if (event.type !== 'inspector.follow') return {}
      const { tell, wallMs, watch } = here(system)
      const { path, subscriber, replyTo } = event
      const unfollow =
        context.followers.size >= maxFollowers || context.followers.has(subscriber)
          ? undefined
          : context.follow(path, (before, after, cause) => {
              tell(subscriber, { type: 'inspector.transition', path, before, after, event: cause, atMs: wallMs() })
            })
      tell(replyTo, { type: 'inspector.following', found: unfollow !== undefined })
      if (unfollow === undefined) return {}
      watch(subscriber)
      return { followers: new Map(context.followers).set(subscriber, unfollow) }
    }),
    unfollow: assign(({ context, event, system }) => {
      if (event.type !== 'inspector.unfollow') return {}
      here(system).unwatch(event.subscriber)
      return without(context, event.subscriber)
    }),
    /** Who followed is gone. */
    forget: assign(({ context, event }) => (event.type === 'actor.down' ? without(context, event.ref) : {})),
  },
}).createMachine({
  id: 'inspector',
  options: machineOptions,
  context: ({ input }) => ({ ...input, followers: new Map() }),
  initial: 'watching',
  states: {
    watching: {
      on: {
        'inspector.snapshot': { actions: 'answer' },
        'inspector.follow': { actions: 'follow' },
        'inspector.unfollow': { actions: 'unfollow' },
        'actor.down': { actions: 'forget' },
      },
    },
  },
})
