/**
 * What this node computes: brings models into memory when a request needs them, makes room by unloading what is idle,
 * and refuses when it is leaving. The manager of the engines; their supervisor `engines` stands beside it.
 */
import type { WorkerLoad } from '../protocols/infer.ts'
import type { Ref } from '../protocols/ref.ts'
import type { LoadedModel } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, assign, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { type EngineInput, type EngineNews, keepTime, type LoadFailure } from './engine.ts'
import {
  decide,
  type EngineRow,
  type EngineTable,
  evictable,
  withoutRow,
  withRoomOf,
  withRow,
  withWaiter,
} from './engine-table.ts'

/** Requests that may wait for one model to be loaded. */
const maxWaiters = 512
/** How often the reported load follows the real one. */
const reportMs = 1000

export interface WorkerInput {
  /** The engine machine with its process. */
  readonly engine: AnyActorLogic
  /** Models in memory at once. */
  readonly maxLoaded: number
  readonly keepAliveMs: number
  /** What a loaded engine is doing now. */
  readonly loadOf: (digest: string) => WorkerLoad | undefined
  /** Whether a loaded engine is as a request with these options wants it. */
  readonly suits: (digest: string, options: Readonly<Record<string, unknown>>) => boolean
  /** Carries out one UnloadRequest for a version that is not in memory under its own digest, and answers it. */
  readonly unloadShared: AnyActorLogic
}

/** From this node or another: a version is to leave memory. Answered with `engine.unloaded`. */
export interface UnloadRequest {
  readonly type: 'engine.unload'
  readonly digest: string
  readonly replyTo: Ref
}

/** Asked by the data path for a model that is not ready. Answered by `worker.ready` or `worker.refused`. */
export interface Acquire {
  readonly type: 'worker.acquire'
  readonly digest: string
  readonly keepAliveMs?: number
  /** The request's options: some are fixed when a model is loaded. */
  readonly options: Readonly<Record<string, unknown>>
  readonly replyTo: Ref
}

export interface AcquireRefusal {
  readonly type: 'worker.refused'
  readonly code: LoadFailure['code'] | 'busy' | 'draining'
  readonly message: string
}

type WorkerEvent =
  | Acquire
  | EngineNews
  | ActorDown
  | { readonly type: 'engine.down'; readonly digest: string; readonly hasCrashed: boolean }
  | UnloadRequest
  /** Answered with `drained` when nothing runs any more. */
  | { readonly type: 'drain'; readonly replyTo: Ref }

interface WorkerContext extends WorkerInput {
  readonly engines: EngineTable
  /** What was last reported; undefined: nothing yet, so that what an earlier incarnation said may still stand. */
  readonly reported: readonly LoadedModel[] | undefined
  /** Who waits for the end of the drain. */
  readonly drainers: readonly Ref[]
}

const enginesPath = 'node/engines'
const enginePath = (digest: string): string => `${enginesPath}/${digest}`
const digestOf = (ref: Ref): string => ref.slice(ref.lastIndexOf('/') + 1)

function loadedModels({ engines, loadOf }: WorkerContext): LoadedModel[] {
  return [...engines].flatMap(([digest, { facts, state, expiresAtMs, keepAliveMs, waiters }]) => {
    if (facts === undefined || state === 'wanted') return []
    const { active, waiting, slots } = loadOf(digest) ?? { active: 0, waiting: waiters.length, slots: facts.slots }
    const loading = state === 'loading' ? { loading: { keepAliveMs: keepTime(keepAliveMs) } } : {}
    return [{ digest, ...facts, expiresAtMs, active, waiting, slots, ...loading }]
  })
}

/** Also while it is on its way there or out; not while it waits for room. */
const isInMemory = (row: EngineRow | undefined): boolean => row !== undefined && row.state !== 'wanted'

const isReady = ({ engines }: WorkerContext, event: WorkerEvent): boolean =>
  event.type === 'worker.acquire' && engines.get(event.digest)?.state === 'ready'

const suits = (context: WorkerContext, event: WorkerEvent): boolean =>
  event.type === 'worker.acquire' && context.suits(event.digest, event.options)

/** A model that does not fit is tried again once an idle one has left. */
function afterEviction(context: WorkerContext, failure: LoadFailure): string | undefined {
  return failure.code === 'insufficient-memory' ? evictable(context.engines) : undefined
}

const settle = ['fill', 'noteFill', 'report', 'noteReport'] as const

export const workerMachine = setup({
  types: { context: {} as WorkerContext, events: {} as WorkerEvent, input: {} as WorkerInput },
  actions: {
    answerReady: ({ event, system }) => {
      if (event.type === 'worker.acquire') here(system).tell(event.replyTo, { type: 'worker.ready' })
    },
    refuse: ({ event, system }, refusal: Omit<AcquireRefusal, 'type'>) => {
      if (event.type === 'worker.acquire') here(system).tell(event.replyTo, { type: 'worker.refused', ...refusal })
    },
    keepWaiting: assign({
      engines: ({ context, event }) =>
        event.type === 'worker.acquire'
          ? withWaiter(context.engines, event.digest, {
              waiter: event.replyTo,
              keepAliveMs: event.keepAliveMs ?? context.keepAliveMs,
              options: event.options,
            })
          : context.engines,
    }),
    /** Carries out what `decide` says; `noteFill` then writes it down. */
    fill: ({ context, system }) => {
      const { spawn, tell, local, watch } = here(system)
      const { start, evict } = decide(context.engines, context.maxLoaded)
      for (const digest of evict) tell(local(enginePath(digest)), { type: 'engine.unload' })
      for (const digest of start) {
        const { keepAliveMs = context.keepAliveMs, options = {} } = context.engines.get(digest) ?? {}
        const input: EngineInput = { digest, keepAliveMs, options }
        watch(spawn({ id: digest, logic: context.engine, input }, local(enginesPath)))
      }
      if (start.length > 0) watch(local(enginesPath))
    },
    noteFill: assign({
      engines: ({ context }) => {
        const { start, evict } = decide(context.engines, context.maxLoaded)
        const started = start.reduce((table, digest) => withRow(table, digest, { state: 'loading' }), context.engines)
        return evict.reduce((table, digest) => withRow(table, digest, { state: 'leaving' }), started)
      },
    }),
    tellWaiters: ({ context, event, system }) => {
      if (event.type !== 'engine.ready' && event.type !== 'engine.unusable') return
      for (const waiter of context.engines.get(event.digest)?.waiters ?? []) {
        if (event.type === 'engine.ready') here(system).tell(waiter, { type: 'worker.ready' })
        else here(system).tell(waiter, { type: 'worker.refused', ...event.failure })
      }
    },
    noteExpected: assign(({ context, event }) =>
      event.type === 'engine.expected'
        ? { engines: withRow(context.engines, event.digest, { facts: event.facts }) }
        : {},
    ),
    noteReady: assign(({ context, event }) =>
      event.type === 'engine.ready'
        ? {
            engines: withRow(context.engines, event.digest, {
              ...event.use,
              state: 'ready',
              facts: event.facts,
              waiters: [],
            }),
          }
        : {},
    ),
    /** A restarted engine is a new incarnation, watched again from its beginning: it may end before it is ready. */
    watchEngine: ({ event, system }) => {
      const { watch, local } = here(system)
      if (event.type === 'engine.loading') watch(local(enginePath(event.digest)))
    },
    noteUnusable: assign(({ context, event }) =>
      event.type === 'engine.unusable'
        ? { engines: withRow(context.engines, event.digest, { state: 'leaving', facts: undefined, waiters: [] }) }
        : {},
    ),
    evictFor: ({ context, event, system }) => {
      if (event.type !== 'engine.unusable') return
      const victim = afterEviction(context, event.failure)
      const { tell, local } = here(system)
      if (victim !== undefined) tell(local(enginePath(victim)), { type: 'engine.unload' })
    },
    noteEvictFor: assign(({ context, event }) => {
      if (event.type !== 'engine.unusable') return {}
      const victim = afterEviction(context, event.failure)
      if (victim === undefined) return {}
      const leaving = withRow(context.engines, victim, { state: 'leaving' })
      return { engines: withRow(leaving, event.digest, { state: 'leaving', facts: undefined, after: victim }) }
    }),
    noteUse: assign(({ context, event }) => {
      if (event.type !== 'engine.use') return {}
      return { engines: withRow(context.engines, event.digest, event.use) }
    }),
    /**
     * A notice overtakes what the engine said before it ended; by way of our own mailbox it comes after that. Without the
     * supervisor nothing that is known here holds: this actor ends with it, and both start anew.
     */
    queueDown: ({ event, system }) => {
      if (event.type !== 'actor.down') return
      const { tell, self, local } = here(system)
      // Absent under an address that exists: it crashed again before the watch was renewed, and is being restarted.
      const hasCrashed = event.exit.kind === 'crash' || (event.exit.kind === 'absent' && event.epoch !== 0)
      if (event.ref === local(enginesPath)) {
        if (hasCrashed) throw new Error('the supervisor of the engines has given up')
        return
      }
      const news = { type: 'engine.down', digest: digestOf(event.ref), hasCrashed }
      if (!tell(self, news)) throw new Error(`no room to hear that the engine of ${news.digest} has ended`)
    },
    noteDown: assign(({ context, event }) => {
      if (event.type !== 'engine.down') return {}
      const { digest, hasCrashed } = event
      const engines = withRoomOf(context.engines, digest)
      if (hasCrashed) return { engines: withRow(engines, digest, { state: 'loading', active: 0, facts: undefined }) }
      const isWanted = (engines.get(digest)?.waiters.length ?? 0) > 0
      const change = { state: 'wanted', active: 0, facts: undefined } as const
      return { engines: isWanted ? withRow(engines, digest, change) : withoutRow(engines, digest) }
    }),
    /** What runs finishes as it began; then it is loaded again, as it is wanted now. */
    reload: ({ event, system }) => {
      if (event.type !== 'worker.acquire') return
      const { tell, local } = here(system)
      tell(local(enginePath(event.digest)), { type: 'engine.unload' })
    },
    noteReload: assign(({ context, event }) =>
      event.type === 'worker.acquire' ? { engines: withRow(context.engines, event.digest, { state: 'leaving' }) } : {},
    ),
    unload: ({ context, event, system }) => {
      if (event.type !== 'engine.unload') return
      const { tell, local, spawn, nextId } = here(system)
      if (isInMemory(context.engines.get(event.digest))) {
        tell(local(enginePath(event.digest)), { type: 'engine.unload' })
        tell(event.replyTo, { type: 'engine.unloaded', found: true })
      } else {
        spawn({ id: `unload-${nextId()}`, logic: context.unloadShared, input: event, restart: 'temporary' })
      }
    },
    noteUnload: assign(({ context, event }) =>
      event.type === 'engine.unload' && isInMemory(context.engines.get(event.digest))
        ? { engines: withRow(context.engines, event.digest, { state: 'leaving' }) }
        : {},
    ),
    report: ({ context, system }) => {
      const { tell, local } = here(system)
      const loaded = loadedModels(context)
      if (JSON.stringify(loaded) === JSON.stringify(context.reported)) return
      tell(local('node/reporter'), { type: 'loaded.changed', loaded })
    },
    noteReport: assign({ reported: ({ context }) => loadedModels(context) }),
    keepDrainer: assign({
      drainers: ({ context, event }) =>
        event.type === 'drain' ? [...context.drainers, event.replyTo] : context.drainers,
    }),
    answerDrained: ({ context, system }) => {
      for (const drainer of context.drainers) here(system).tell(drainer, { type: 'drained' })
    },
    forgetDrainers: assign({ drainers: [] }),
  },
  guards: {
    isReady: ({ context, event }) => isReady(context, event) && suits(context, event),
    isReadyOtherwise: ({ context, event }) => isReady(context, event) && !suits(context, event),
    isCrowded: ({ context, event }) =>
      event.type === 'worker.acquire' && (context.engines.get(event.digest)?.waiters.length ?? 0) >= maxWaiters,
    isFixable: ({ context, event }) =>
      event.type === 'engine.unusable' && afterEviction(context, event.failure) !== undefined,
    isKeptOtherwise: ({ context, event }) =>
      event.type === 'engine.use' && context.engines.get(event.digest)?.keepAliveMs !== event.use.keepAliveMs,
    isRoomWanted: ({ context }) => [...context.engines.values()].some(({ state }) => state === 'wanted'),
    isIdle: ({ context }) => [...context.engines.values()].every(({ active }) => active === 0),
  },
  delays: { report: reportMs },
}).createMachine({
  id: 'worker',
  options: machineOptions,
  context: ({ input }) => ({ ...input, engines: new Map(), reported: undefined, drainers: [] }),
  on: {
    'engine.loading': { actions: 'watchEngine' },
    'engine.expected': { actions: ['noteExpected', 'report', 'noteReport'] },
    'engine.ready': { actions: ['tellWaiters', 'noteReady', ...settle] },
    'engine.unusable': [
      { guard: 'isFixable', actions: ['evictFor', 'noteEvictFor'] },
      { actions: ['tellWaiters', 'noteUnusable', ...settle] },
    ],
    // Each request changes the use; only what people set (`keep_alive`) is worth a report before the next tick.
    'engine.use': [
      { guard: 'isKeptOtherwise', actions: ['noteUse', 'report', 'noteReport'] },
      { guard: 'isRoomWanted', actions: ['noteUse', 'fill', 'noteFill'] },
      { actions: 'noteUse' },
    ],
    'engine.unload': { actions: ['unload', 'noteUnload', 'report', 'noteReport'] },
    'actor.down': { actions: 'queueDown' },
    'engine.down': { actions: ['noteDown', ...settle] },
  },
  initial: 'serving',
  states: {
    serving: {
      initial: 'reported',
      states: {
        reported: {
          after: { report: { target: 'reported', reenter: true, actions: ['report', 'noteReport'] } },
        },
      },
      on: {
        'worker.acquire': [
          { guard: 'isReady', actions: 'answerReady' },
          {
            guard: 'isCrowded',
            actions: {
              type: 'refuse',
              params: { code: 'busy', message: `${maxWaiters} requests wait for this model already` },
            },
          },
          { guard: 'isReadyOtherwise', actions: ['reload', 'noteReload', 'keepWaiting'] },
          { actions: ['keepWaiting', 'fill', 'noteFill'] },
        ],
        drain: { target: 'draining', actions: 'keepDrainer' },
      },
    },
    draining: {
      always: { guard: 'isIdle', target: 'drained' },
      on: {
        'worker.acquire': {
          actions: { type: 'refuse', params: { code: 'draining', message: 'this node is shutting down' } },
        },
        drain: { actions: 'keepDrainer' },
      },
    },
    drained: {
      entry: ['answerDrained', 'forgetDrainers'],
      on: {
        drain: { target: 'drained', reenter: true, actions: 'keepDrainer' },
        'worker.acquire': {
          actions: { type: 'refuse', params: { code: 'draining', message: 'this node is shutting down' } },
        },
      },
    },
  },
})
