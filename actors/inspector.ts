/**
 * Shows this node to whoever asks, near or far: its actors and counters, who waits for whose answer, what happened lately,
 * and the transitions of one actor to its followers. Readers pull. Nothing is kept while nobody looks.
 */
import type { Ref } from '../protocols/ref.ts'
import type { Feed } from '../src/runtime/feed.ts'
import { here } from '../src/runtime/here.ts'
import { assign, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { fitting } from './fitting.ts'

/** Followers of one node at the same time: a screen each. */
const maxFollowers = 64
/**
 * What one answer holds, so that it fits a frame of 1 MiB and 65,536 values. A row of an actor is at most 50 values (14
 * fields, 4 promises), one of an ask 13, of an owed answer 5, of a fact 13, of a dead actor 13.
 */
const actorsRoom = { maxRows: 1024, maxBytes: 768 * 1024 }
const deadRoom = { maxRows: 256, maxBytes: 128 * 1024 }
const asksRoom = { maxRows: 2048, maxBytes: 448 * 1024 }
const owedRoom = { maxRows: 4096, maxBytes: 448 * 1024 }
const factsRoom = { maxRows: 1024, maxBytes: 896 * 1024 }
/** Characters of an exit or of a fact that are shown. */
const maxShownText = 1024
const maxShownName = 256

type Unfollow = () => void

export interface InspectorInput {
  readonly feed: Feed
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
  /** `after`: the `born` of the last row that the reader has. */
  | { readonly type: 'inspector.snapshot'; readonly replyTo: Ref; readonly after?: number }
  | { readonly type: 'inspector.waits'; readonly replyTo: Ref }
  | { readonly type: 'inspector.recent'; readonly replyTo: Ref; readonly cursor?: number }
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

/** The next page of actors; with the last one, the counters and the dead. */
function treeOf(feed: Feed, after = 0) {
  const rows = feed
    .census()
    .filter(({ born }) => born > after)
    .toSorted((a, b) => a.born - b.born)
    .map((row) => ({
      ...row,
      state: shown(row.state, maxShownName),
      lastExit: row.lastExit === null ? null : shown(row.lastExit, maxShownText),
      runs: row.runs.map(({ name, forMs }) => ({ name: shown(name, maxShownName), forMs })),
    }))
  const actors = fitting(rows, actorsRoom)
  if (actors.length < rows.length) return { type: 'inspector.tree', actors, next: actors.at(-1)?.born }
  const dead = feed.recorder.dead().map((row) => ({ ...row, exit: shown(row.exit, maxShownText) }))
  return { type: 'inspector.tree', actors, counters: feed.counters(), dead: fitting(dead.toReversed(), deadRoom) }
}

/** The oldest waits: those are the ones that do not end. */
function waitsOf(feed: Feed) {
  const waits = feed.waits()
  const asks = fitting(waits.asks, asksRoom)
  const owed = fitting(waits.owed, owedRoom)
  return { type: 'inspector.waiting', asks, owed, leftOut: waits.asks.length - asks.length }
}

function recentOf({ recorder }: Feed, after: number | undefined) {
  const { facts, cursor, missed } = recorder.since(after, factsRoom.maxRows)
  const rows = facts.map((row) => ({ ...row, detail: shown(row.detail, maxShownText) }))
  const fit = fitting(rows, factsRoom)
  return { type: 'inspector.news', facts: fit, missed, cursor: fit.at(-1)?.sequence ?? cursor }
}

/** At most `length` UTF-16 units, never half of a pair. */
const shown = (text: string, length: number): string => text.slice(0, length).toWellFormed()

export const inspectorMachine = setup({
  types: { context: {} as InspectorContext, events: {} as InspectorEvent, input: {} as InspectorInput },
  actions: {
    answer: ({ context, event, system }) => {
      const { tell } = here(system)
      if (event.type === 'inspector.snapshot') tell(event.replyTo, treeOf(context.feed, event.after))
      if (event.type === 'inspector.waits') tell(event.replyTo, waitsOf(context.feed))
      if (event.type === 'inspector.recent') tell(event.replyTo, recentOf(context.feed, event.cursor))
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
        'inspector.waits': { actions: 'answer' },
        'inspector.recent': { actions: 'answer' },
        'inspector.follow': { actions: 'follow' },
        'inspector.unfollow': { actions: 'unfollow' },
        'actor.down': { actions: 'forget' },
      },
    },
  },
})
