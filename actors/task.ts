/**
 * The life of one request at its entry node: queued → placed → attempting (dispatched → streaming) → completed | failed |
 * cancelled. It alone ends the response, in exactly one way. Tokens pass it by: the attempt carries them from the worker
 * to the response and tells this machine only what happened.
 */
import {
  type FailureCode,
  type InferFrame,
  type InferRequest,
  type RefusalReason,
  unknownLoad,
  type WorkerLoad,
} from '../protocols/infer.ts'
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, machineOptions, setup } from '../src/runtime/logic.ts'
import type { Placement } from './placement.ts'

export interface TaskInput {
  readonly request: InferRequest
  /** Whom to try, best first; empty: it waits in the queue for `task.place`. */
  readonly plan: readonly Placement[]
  /** How long it may take in all. */
  readonly limitMs: number
}

export interface Refusal {
  readonly node: NodeId
  readonly reason: RefusalReason
  readonly message: string
  readonly load: WorkerLoad
}

export interface TaskFailure {
  readonly code: FailureCode | RefusalReason
  readonly message: string
}

type DoneFrame = Extract<InferFrame, { kind: 'done' }>

/** What an attempt reports; its frames go to the response. */
export type AttemptEvent =
  | { readonly type: 'attempt.accepted'; readonly load: WorkerLoad }
  | ({ readonly type: 'attempt.refused' } & Refusal)
  /** The first token or vector is on its way to the client: from here on the answer cannot move silently. */
  | { readonly type: 'attempt.started' }
  | { readonly type: 'attempt.done'; readonly frame: DoneFrame }
  | { readonly type: 'attempt.failed'; readonly failure: TaskFailure }

type TaskEvent =
  | AttemptEvent
  | { readonly type: 'task.place'; readonly plan: readonly Placement[] }
  /** The queue has no place for it any more. */
  | { readonly type: 'task.crowded'; readonly queued: number }
  | { readonly type: 'client.gone' }

interface TaskContext extends TaskInput {
  /** How many of the plan were tried. */
  readonly tried: number
  readonly refusals: readonly Refusal[]
  readonly failure: TaskFailure | undefined
  /** How often all of a plan were tried and one of them was lost. */
  readonly setbacks: number
  readonly status: TaskOutput['status'] | undefined
}

/** How a task ended, for whoever watches it. */
export interface TaskOutput {
  readonly status: 'completed' | 'failed' | 'cancelled'
  readonly node: NodeId | undefined
  readonly code?: string
}

/** Lost on the way, not refused: the engine or its node may be back in a moment. */
const passingCodes: ReadonlySet<string> = new Set(['engine-crashed', 'link-lost', 'stalled'])

/** Setbacks that a request may wait out: one that ends every engine that it meets must not do so for ever. */
const maxSetbacks = 2

/** Wrong everywhere: another holder would say the same. */
const finalCodes: ReadonlySet<string> = new Set(['invalid-request', 'context-exceeded', 'deadline'])

const nodeOf = (context: TaskContext): NodeId | undefined => context.plan[context.tried - 1]?.node

function outputOf(context: TaskContext): TaskOutput {
  const { status = 'failed', failure } = context
  return {
    status,
    node: nodeOf(context),
    ...(status === 'failed' && failure !== undefined ? { code: failure.code } : {}),
  }
}

/** What the client is told when nobody could serve the request: the last failure, else the first refusal. */
function verdict(context: TaskContext): TaskFailure {
  const { failure, refusals } = context
  const refusal = refusals[0]
  if (failure !== undefined) return failure
  if (refusal !== undefined) return { code: refusal.reason, message: refusal.message }
  return { code: 'internal', message: `no reachable node holds ${context.request.model} any more` }
}

/** A refusal stays a refusal: the listener says it in other words and with another status than a failure. */
function endFrame({ failure, refusals }: TaskContext): InferFrame {
  const { code, message } = failure as TaskFailure
  const refusal = refusals.find(({ reason }) => reason === code)
  if (refusal === undefined) return { kind: 'failed', code: code as FailureCode, message }
  return { kind: 'refused', reason: refusal.reason, message, load: refusal.load }
}

const cancelled: InferFrame = { kind: 'failed', code: 'cancelled', message: 'request canceled' }

/** Nobody failed, and somebody was only busy; or who could have served it was lost before the first token. */
function isWorthWaiting({ plan, failure, refusals, setbacks }: TaskContext): boolean {
  if (failure === undefined) return refusals.some(({ reason }) => reason === 'busy')
  return plan.length > 0 && passingCodes.has(failure.code) && setbacks < maxSetbacks
}

const deadlineFailure = (context: TaskContext): TaskFailure => ({
  code: 'deadline',
  message: `${context.request.model}: no answer within ${context.limitMs} ms`,
})

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as TaskEvent, input: {} as TaskInput, output: {} as TaskOutput },
  actors: {
    /** Provided: asks one node, carries its frames to the response, and tells how it went. */
    attempt: fromCallback<AttemptEvent, { node: NodeId; request: InferRequest }>(() => {}),
  },
  actions: {
    /** Provided: the last frame of the response. */
    respond: (_, _end: { id: string; frame: InferFrame }) => {},
    takeNext: assign({ tried: ({ context }) => context.tried + 1 }),
    /** A new plan is a new beginning; where nobody is left to try, the last failure is still the reason. */
    takePlan: assign(({ context, event }) => {
      if (event.type !== 'task.place') return {}
      const { plan } = event
      return { plan, tried: 0, refusals: [], failure: plan.length === 0 ? context.failure : undefined }
    }),
    noteSetback: assign({
      setbacks: ({ context }) => (context.failure === undefined ? context.setbacks : context.setbacks + 1),
    }),
    noteCrowded: assign(({ context, event }) => {
      if (event.type !== 'task.crowded') return {}
      const message = `${event.queued} requests wait for ${context.request.model} already`
      const refusal: Refusal = { node: '', reason: 'busy', message, load: unknownLoad }
      return { failure: { code: 'busy', message }, refusals: [refusal] }
    }),
    noteRefusal: assign({
      refusals: ({ context, event }) =>
        event.type === 'attempt.refused' ? [...context.refusals, event] : context.refusals,
    }),
    noteFailure: assign(({ event }) => (event.type === 'attempt.failed' ? { failure: event.failure } : {})),
    noteDeadline: assign({ failure: ({ context }) => deadlineFailure(context) }),
    noteStatus: assign((_, { status }: { status: TaskOutput['status'] }) => ({ status })),
    noteVerdict: assign({ failure: ({ context }) => verdict(context) }),
    tellScheduler: ({ context, system }, { type }: { type: 'task.unplaced' | 'task.dispatched' }) => {
      if (type === 'task.dispatched' && context.tried === 1) return // It was the scheduler that chose this one.
      const { tell, local, self } = here(system)
      tell(local('node/scheduler'), { type, task: self, node: nodeOf(context), refusals: context.refusals })
    },
  },
  guards: {
    hasNext: ({ context }) => context.tried < context.plan.length,
    hasPlan: ({ context }) => context.plan.length > 0,
    isWorthWaiting: ({ context }) => isWorthWaiting(context),
    isFinal: ({ event }) => event.type === 'attempt.failed' && finalCodes.has(event.failure.code),
  },
  delays: { limit: ({ context }) => context.limitMs },
}).createMachine({
  id: 'task',
  options: machineOptions,
  context: ({ input }) => ({
    ...input,
    tried: 0,
    refusals: [],
    failure: undefined,
    setbacks: 0,
    status: undefined,
  }),
  initial: 'queued',
  on: { 'client.gone': '.cancelled' },
  after: { limit: { target: '.failed', actions: 'noteDeadline' } },
  states: {
    queued: {
      always: { guard: 'hasPlan', target: 'placed' },
      on: {
        'task.place': { target: 'placed', actions: 'takePlan' },
        'task.crowded': { target: 'failed', actions: 'noteCrowded' },
      },
    },
    placed: {
      always: [
        { guard: 'hasNext', target: 'attempting', actions: 'takeNext' },
        { guard: 'isWorthWaiting', target: 'waiting', actions: 'noteSetback' },
        { target: 'failed', actions: 'noteVerdict' },
      ],
    },
    /** All were busy or lost: back in the queue until the scheduler sees room. */
    waiting: {
      entry: { type: 'tellScheduler', params: { type: 'task.unplaced' } },
      on: {
        'task.place': { target: 'placed', actions: 'takePlan' },
        'task.crowded': { target: 'failed', actions: 'noteCrowded' },
      },
    },
    attempting: {
      invoke: {
        src: 'attempt',
        input: ({ context }) => ({ node: nodeOf(context) as NodeId, request: context.request }),
      },
      initial: 'dispatched',
      states: {
        dispatched: {
          entry: { type: 'tellScheduler', params: { type: 'task.dispatched' } },
          on: {
            'attempt.started': 'streaming',
            'attempt.refused': { target: '#task.placed', actions: 'noteRefusal' },
            'attempt.failed': [
              { guard: 'isFinal', target: '#task.failed', actions: 'noteFailure' },
              { target: '#task.placed', actions: 'noteFailure' },
            ],
            'attempt.done': '#task.completed',
          },
        },
        streaming: {
          on: {
            'attempt.failed': { target: '#task.failed', actions: 'noteFailure' },
            'attempt.done': '#task.completed',
          },
        },
      },
    },
    completed: {
      type: 'final',
      entry: [
        { type: 'noteStatus', params: { status: 'completed' } },
        {
          type: 'respond',
          params: ({ context, event }) => ({ id: context.request.id, frame: (event as { frame: InferFrame }).frame }),
        },
      ],
    },
    failed: {
      type: 'final',
      entry: [
        { type: 'noteStatus', params: { status: 'failed' } },
        { type: 'respond', params: ({ context }) => ({ id: context.request.id, frame: endFrame(context) }) },
      ],
    },
    cancelled: {
      type: 'final',
      entry: [
        { type: 'noteStatus', params: { status: 'cancelled' } },
        { type: 'respond', params: ({ context }) => ({ id: context.request.id, frame: cancelled }) },
      ],
    },
  },
  output: ({ context }) => outputOf(context),
})
