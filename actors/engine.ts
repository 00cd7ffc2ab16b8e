/**
 * One model in this node's memory: loading → ready (promised → fresh → busy ⇄ idle) → unloading. Owns the engine process: when that dies,
 * this actor crashes with it and the supervisor `engines` starts it anew, with backoff. A model that cannot be loaded
 * is no crash: trying again at once would not help.
 */
import type { Failure } from '../protocols/exit.ts'
import type { LoadedModel } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, machineOptions, sendTo, setup } from '../src/runtime/logic.ts'

/** Why a model is not in memory: the engine's code and a message for people. */
export interface LoadFailure {
  readonly code: 'no-such-model' | 'insufficient-memory' | 'model-unusable' | 'load-failed'
  readonly message: string
}

/** What an engine knows of itself once it is ready; while it is loaded, what is expected of it. */
export type EngineFacts = Pick<LoadedModel, 'name' | 'sizeBytes' | 'sizeVramBytes' | 'contextLength' | 'slots'>

export interface EngineInput {
  /** The model version: SHA-256 of its manifest, hex. */
  readonly digest: string
  /** How long it stays after its last request; -1: for ever. */
  readonly keepAliveMs: number
  /** Of the request that had it loaded: those that are fixed then, by Ollama's names. */
  readonly options: Readonly<Record<string, unknown>>
}

/** From the process, from the data path, and from the worker. */
export type EngineEvent =
  | { readonly type: 'process.loading'; readonly facts: EngineFacts }
  | { readonly type: 'process.ready'; readonly facts: EngineFacts; readonly load: number }
  | { readonly type: 'process.unusable'; readonly failure: LoadFailure }
  | { readonly type: 'process.ended'; readonly failure: Failure }
  /** `load` names the process that the request runs in: the end of one in an earlier process is no news to this one. */
  | { readonly type: 'request.started'; readonly load: number; readonly keepAliveMs?: number }
  | { readonly type: 'request.ended'; readonly load: number }
  /** A request has waited for a frame for too long. */
  | { readonly type: 'engine.stalled'; readonly load: number; readonly silentMs: number }
  | { readonly type: 'engine.unload' }

/** To the process: what it computes now is the last. */
export interface EngineLeaving {
  readonly type: 'engine.leaving'
}

interface EngineContext extends EngineInput {
  readonly facts: EngineFacts | undefined
  readonly load: number
  readonly active: number
  /** When it will be unloaded if nothing more comes; -1: never. */
  readonly expiresAtMs: number
  readonly failure: LoadFailure | undefined
}

/** How an engine is used: requests under way, how long it stays after the last, and until when that is. */
export interface EngineUse {
  readonly active: number
  readonly keepAliveMs: number
  /** Wall time; -1: for ever. */
  readonly expiresAtMs: number
}

/** What the worker hears. */
export type EngineNews =
  /** A new incarnation has begun: the first, or one after a crash. */
  | { readonly type: 'engine.loading'; readonly digest: string }
  /** Its process has begun to load. */
  | { readonly type: 'engine.expected'; readonly digest: string; readonly facts: EngineFacts }
  | { readonly type: 'engine.ready'; readonly digest: string; readonly facts: EngineFacts; readonly use: EngineUse }
  | { readonly type: 'engine.unusable'; readonly digest: string; readonly failure: LoadFailure }
  | { readonly type: 'engine.use'; readonly digest: string; readonly use: EngineUse }

function tellWorker(system: object, news: EngineNews): void {
  const { tell, local } = here(system)
  tell(local('node/worker'), { ...news })
}

/** Timers hold at most 2³¹ − 1 ms (24 days); what is to stay longer stays for ever. */
const maxTimerMs = 2 ** 31 - 1
const staysForEver = (keepAliveMs: number): boolean => keepAliveMs < 0 || keepAliveMs > maxTimerMs

const timerOf = (keepMs: number): number => (staysForEver(keepMs) ? maxTimerMs : keepMs)
/** Whole milliseconds: a client may ask for fractions of one. -1: for ever. */
export const keepTime = (keepMs: number): number => (staysForEver(keepMs) ? -1 : Math.ceil(keepMs))
const expiry = (keepMs: number, wallMs: number): number => (staysForEver(keepMs) ? -1 : Math.ceil(wallMs + keepMs))

/** Who had the model loaded is on the way with a request, also one that wants it gone right after. */
const firstUseMs = 5000
/**
 * Those who waited for it have just been told and begin within a turn or two; a second also for a starved process. Room
 * that another model wants is not theirs before: two models that share one place would else load in turns and serve nobody.
 */
const promisedMs = 1000
const firstKeepMs = ({ keepAliveMs }: EngineContext): number =>
  staysForEver(keepAliveMs) ? keepAliveMs : Math.max(keepAliveMs, firstUseMs)

const useOf = ({ active, keepAliveMs, expiresAtMs }: EngineContext): EngineUse => ({ active, keepAliveMs, expiresAtMs })

/** Whether an event of the data path is about the process that runs now. */
const isOurs = ({ load }: EngineContext, event: EngineEvent): boolean => 'load' in event && event.load === load

const hang = ({ facts }: EngineContext, silentMs: number): Failure => ({
  name: 'EngineStalledError',
  message: `the engine of ${facts?.name ?? 'a model'} gave no sign of life for ${Math.round(silentMs / 1000)} s`,
})

export const engineMachine = setup({
  types: { context: {} as EngineContext, events: {} as EngineEvent, input: {} as EngineInput },
  actors: {
    /** Provided: starts the engine process, sends `process.*`, hears that it is leaving, ends it when stopped. */
    process: fromCallback<EngineLeaving, Pick<EngineInput, 'digest' | 'options'>>(() => {}),
  },
  actions: {
    crash: (_, { name, message }: Failure) => {
      throw Object.assign(new Error(message), { name })
    },
    noteReady: assign(({ event }) => (event.type === 'process.ready' ? { facts: event.facts, load: event.load } : {})),
    noteFailure: assign(({ event }) => (event.type === 'process.unusable' ? { failure: event.failure } : {})),
    tellLoading: ({ context, system }) => {
      tellWorker(system, { type: 'engine.loading', digest: context.digest })
    },
    tellExpected: ({ context, event, system }) => {
      if (event.type !== 'process.loading') return
      tellWorker(system, { type: 'engine.expected', digest: context.digest, facts: event.facts })
    },
    tellReady: ({ context, system }) => {
      if (context.facts === undefined) return
      tellWorker(system, { type: 'engine.ready', digest: context.digest, facts: context.facts, use: useOf(context) })
    },
    tellUnusable: ({ context, system }) => {
      if (context.failure === undefined) return
      tellWorker(system, { type: 'engine.unusable', digest: context.digest, failure: context.failure })
    },
    tellUse: ({ context, system }) => {
      tellWorker(system, { type: 'engine.use', digest: context.digest, use: useOf(context) })
    },
    noteStarted: assign(({ context, event }) =>
      event.type === 'request.started' && event.load === context.load
        ? { active: context.active + 1, keepAliveMs: event.keepAliveMs ?? context.keepAliveMs }
        : {},
    ),
    noteEnded: assign({ active: ({ context, event }) => context.active - Number(isOurs(context, event)) }),
    planExpiry: assign({ expiresAtMs: ({ context, system }) => expiry(context.keepAliveMs, here(system).wallMs()) }),
    planFirstExpiry: assign({
      expiresAtMs: ({ context, system }) => expiry(firstKeepMs(context), here(system).wallMs()),
    }),
  },
  guards: {
    isLast: ({ context, event }) => context.active === 1 && isOurs(context, event),
    isIdle: ({ context }) => context.active === 0,
    isOurs: ({ context, event }) => isOurs(context, event),
    mayExpire: ({ context }) => !staysForEver(context.keepAliveMs),
  },
  delays: {
    keepAlive: ({ context }) => timerOf(context.keepAliveMs),
    firstKeep: ({ context }) => timerOf(firstKeepMs(context)) - promisedMs,
    promised: promisedMs,
  },
}).createMachine({
  id: 'engine',
  options: machineOptions,
  context: ({ input }) => ({ ...input, facts: undefined, load: 0, active: 0, expiresAtMs: 0, failure: undefined }),
  // The process outlives the states of a loaded model, and ends with this actor, whatever ends it.
  invoke: {
    id: 'process',
    src: 'process',
    input: ({ context }) => ({ digest: context.digest, options: context.options }),
  },
  on: {
    'process.ended': { actions: { type: 'crash', params: ({ event }) => event.failure } },
    'engine.stalled': {
      guard: 'isOurs',
      actions: { type: 'crash', params: ({ context, event }) => hang(context, event.silentMs) },
    },
  },
  initial: 'loading',
  states: {
    loading: {
      entry: 'tellLoading',
      on: {
        'process.loading': { actions: 'tellExpected' },
        'process.ready': { target: 'ready', actions: ['noteReady', 'planFirstExpiry', 'tellReady'] },
        'process.unusable': { target: 'unusable', actions: ['noteFailure', 'tellUnusable'] },
        'engine.unload': 'unloaded',
      },
    },
    ready: {
      initial: 'promised',
      on: { 'engine.unload': [{ guard: 'isIdle', target: 'unloaded' }, { target: 'unloading' }] },
      states: {
        /** Nobody may take its place yet. */
        promised: {
          after: { promised: 'fresh' },
          on: {
            'request.started': { guard: 'isOurs', target: 'busy', actions: 'noteStarted' },
            'engine.unload': '#engine.yielding',
          },
        },
        /** Not used yet. */
        fresh: {
          after: { firstKeep: { guard: 'mayExpire', target: '#engine.unloaded' } },
          on: { 'request.started': { guard: 'isOurs', target: 'busy', actions: 'noteStarted' } },
        },
        idle: {
          entry: ['planExpiry', 'tellUse'],
          after: { keepAlive: { guard: 'mayExpire', target: '#engine.unloaded' } },
          on: {
            'request.started': { guard: 'isOurs', target: 'busy', actions: 'noteStarted' },
          },
        },
        busy: {
          entry: ['planExpiry', 'tellUse'],
          on: {
            'request.started': { actions: 'noteStarted' },
            'request.ended': [{ guard: 'isLast', target: 'idle', actions: 'noteEnded' }, { actions: 'noteEnded' }],
          },
        },
      },
    },
    /** Told to leave by somebody who wants its place, before those came for whom it was loaded. */
    yielding: {
      after: { promised: 'unloaded' },
      on: { 'request.started': { guard: 'isOurs', target: 'unloading', actions: 'noteStarted' } },
    },
    /** Requests that run finish; new ones wait at the worker, also those of this node that would go straight to it. */
    unloading: {
      entry: sendTo('process', { type: 'engine.leaving' }),
      on: {
        'request.started': { actions: 'noteStarted' },
        'request.ended': [{ guard: 'isLast', target: 'unloaded' }, { actions: 'noteEnded' }],
      },
    },
    unloaded: { type: 'final' },
    unusable: { type: 'final' },
  },
})
