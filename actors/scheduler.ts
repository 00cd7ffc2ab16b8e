/**
 * Admits requests at this entry node, decides where each is tried, and keeps a bounded queue per model for those that
 * find no room. The manager of the tasks; their supervisor `tasks` stands beside it. Placement needs no agreement: this
 * node ranks for itself, from reports, its own outstanding work and what refusals bring back.
 */
import type { InferRequest, WorkerLoad } from '../protocols/infer.ts'
import type { NodeId, Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, assign, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { type Placement, type Strategy, unsaturated, windowPerSlot } from './placement.ts'
import type { Refusal, TaskInput } from './task.ts'
import type { TaskJournal } from './task-journal.ts'
import { type TaskEntry, TaskTable } from './task-table.ts'
import {
  type ClusterNode,
  type ClusterView,
  loadedOn,
  type Resolved,
  resolveDigest,
  resolveModel,
  type Unresolved,
  unresolved,
} from './view.ts'

/** Requests sent to a holder whose slots are unknown, before the others wait here. */
const unknownWindow = 8
/** Stands for the node of a task that is being told that there is none, or no place to wait. */
const nowhere = ''
/** Busy holders are asked again this often: other entry nodes' requests end without our hearing it. */
const retryMs = 100

export interface SchedulerInput {
  readonly node: NodeId
  /** The task machine with its attempt. */
  readonly task: AnyActorLogic
  readonly journal: TaskJournal
  readonly strategy: Strategy
  /** What a loaded engine of this node is doing now. */
  readonly loadOf: (digest: string) => WorkerLoad | undefined
  /** Requests that may wait for one model. */
  readonly maxQueue: number
}

/** What a client wants, under an id whose response is open already. */
export interface SubmittedTask extends Omit<InferRequest, 'digest' | 'remainingMs' | 'resume'> {
  readonly priority: number
  readonly limitMs: number
}

/** Answers `task.submit`. */
export type SubmitAnswer =
  | { readonly type: 'task.accepted'; readonly task: Ref }
  | { readonly type: 'task.refused'; readonly code: SubmitRefusal; readonly message: string }

type SubmitRefusal = Unresolved['code'] | 'busy' | 'draining'

interface TaskNews {
  readonly task: Ref
  readonly node: NodeId | undefined
  readonly refusals: readonly Refusal[]
}

type SchedulerEvent =
  | { readonly type: 'task.submit'; readonly task: SubmittedTask; readonly replyTo: Ref }
  | ({ readonly type: 'task.dispatched' } & TaskNews)
  | ({ readonly type: 'task.unplaced' } & TaskNews)
  | { readonly type: 'view.changed'; readonly view: ClusterView }
  /** What an accept or a refusal said of a worker. */
  | { readonly type: 'load.heard'; readonly node: NodeId; readonly digest: string; readonly load: WorkerLoad }
  | { readonly type: 'load.get'; readonly replyTo: Ref }
  | { readonly type: 'drain' }
  | ActorDown

interface SchedulerContext extends SchedulerInput {
  readonly view: ClusterView
  readonly tasks: TaskTable
  /** By holder and model version: what the last accept or refusal said, since the last report. */
  readonly heard: Map<string, WorkerLoad>
}

function windowOf(node: ClusterNode, digest: string): number {
  const slots = loadedOn(node, digest)?.slots
  return slots === undefined ? unknownWindow : slots * windowPerSlot
}

/** Requests that a holder has, from anywhere: this node's engine is asked, of the others it is what they last said. */
function requestsAt(context: SchedulerContext, holder: ClusterNode, digest: string): number {
  const isHere = holder.node === context.node
  const heard = context.heard.get(heardKey(holder.node, digest))
  const load = isHere ? context.loadOf(digest) : (heard ?? loadedOn(holder, digest))
  return load === undefined ? 0 : load.active + load.waiting
}

/** What a worker said of itself counts a request of ours that has ended since. */
function noteEnd({ heard }: SchedulerContext, node: NodeId, digest: string): void {
  const load = heard.get(heardKey(node, digest))
  if (load === undefined) return
  const fromWaiting = load.waiting > 0 ? 1 : 0
  const active = Math.max(0, load.active - 1 + fromWaiting)
  heard.set(heardKey(node, digest), { ...load, active, waiting: load.waiting - fromWaiting })
}

const heardKey = (node: NodeId, digest: string): string => `${node}/${digest}`

/** The holders in the order in which they are to be tried; empty when none has room. */
function planFor(context: SchedulerContext, { model, holders }: Resolved, random: () => number): Placement[] {
  const candidates = holders.map((holder) => {
    return {
      node: holder.node,
      local: holder.node === context.node,
      outstanding: context.tasks.outstanding(holder.node),
      ofModel: context.tasks.outstandingOf(holder.node, model.digest),
      reported: requestsAt(context, holder, model.digest),
      window: windowOf(holder, model.digest),
    }
  })
  return context.strategy.rank(unsaturated(candidates), random)
}

function requestOf({ priority: _, limitMs, ...asked }: SubmittedTask, digest: string): InferRequest {
  return { ...asked, digest, remainingMs: limitMs }
}

const refusal = (code: SubmitRefusal, message: string): SubmitAnswer => ({
  type: 'task.refused',
  code,
  message,
})

/** Admits one request: a task under the supervisor `tasks`, placed or queued; or the reason why not. */
function admit(context: SchedulerContext, submitted: SubmittedTask, system: object): SubmitAnswer {
  const { spawn, watch, local, random, monotonicMs, wallMs } = here(system)
  const resolved = resolveModel(context.view, submitted.model)
  if (resolved === undefined) {
    const { code, message } = unresolved(context.view, submitted.model)
    return refusal(code, message)
  }
  const { digest } = resolved.model
  const queued = context.tasks.queued(digest)
  const plan = queued > 0 ? [] : planFor(context, resolved, random)
  if (plan.length === 0 && queued >= context.maxQueue) {
    return refusal('busy', `${queued} requests wait for ${submitted.model} already`)
  }
  const { id, priority, limitMs } = submitted
  const task = `${local('node/tasks')}/${id}`
  // A task may end while it starts, so it is written down and entered before.
  context.journal.accepted({ id, model: submitted.model, digest, atMs: wallMs() })
  context.tasks.add({ task, id, digest, priority, deadlineMs: monotonicMs() + limitMs, node: plan[0]?.node })
  const input: TaskInput = { request: requestOf(submitted, digest), plan, limitMs }
  try {
    spawn({ id, logic: context.task, input, restart: 'temporary', mailboxCapacity: 64 }, local('node/tasks'))
  } catch {
    // The supervisor of the tasks is being restarted: there is no room under it for a moment.
    context.tasks.remove(task)
    context.journal.ended(id, { status: 'failed', code: 'busy', atMs: wallMs() })
    return refusal('busy', 'the tasks of this node are being restarted')
  }
  watch(task)
  return { type: 'task.accepted', task }
}

/** Places waiting tasks of one model while there is room; where no holder is left, waiting is over. */
function drainQueue(context: SchedulerContext, digest: string, system: object): void {
  const { tell, random } = here(system)
  const resolved = resolveDigest(context.view, digest)
  for (let next = context.tasks.next(digest); next !== undefined; next = context.tasks.next(digest)) {
    const plan = resolved === undefined ? [] : planFor(context, resolved, random)
    if (resolved !== undefined && plan.length === 0) return
    context.tasks.move(next.task, plan[0]?.node ?? nowhere)
    tell(next.task, { type: 'task.place', plan })
  }
}

/** Whose turn it is comes first, whatever its model: several may share an engine, and its room. */
function drainQueues(context: SchedulerContext, system: object): void {
  for (const digest of context.tasks.queuedDigests()) drainQueue(context, digest, system)
}

/** Takes a task back into its model's queue. That never outgrows its limit: who would be served last gives way. */
function requeue({ tasks, maxQueue }: SchedulerContext, task: Ref, system: object): void {
  tasks.move(task, undefined)
  const digest = tasks.get(task)?.digest
  if (digest === undefined || tasks.queued(digest) <= maxQueue) return
  const last = tasks.last(digest) as TaskEntry
  tasks.move(last.task, nowhere)
  here(system).tell(last.task, { type: 'task.crowded', queued: tasks.queued(digest) })
}

export const schedulerMachine = setup({
  types: { context: {} as SchedulerContext, events: {} as SchedulerEvent, input: {} as SchedulerInput },
  actions: {
    askView: ({ system }) => {
      const { tell, local } = here(system)
      tell(local('node/membership'), { type: 'view.describe' })
    },
    admit: ({ context, event, system }) => {
      if (event.type !== 'task.submit') return
      here(system).tell(event.replyTo, { ...admit(context, event.task, system) })
    },
    refuseDraining: ({ event, system }) => {
      if (event.type !== 'task.submit') return
      here(system).tell(event.replyTo, { ...refusal('draining', 'this node is shutting down') })
    },
    noteDispatched: ({ context, event }) => {
      if (event.type === 'task.dispatched') context.tasks.move(event.task, event.node)
    },
    requeue: ({ context, event, system }) => {
      if (event.type === 'task.unplaced') requeue(context, event.task, system)
    },
    release: ({ context, event, system }) => {
      if (event.type !== 'actor.down') return
      const entry = context.tasks.remove(event.ref)
      // Who ends while it waits makes no room anywhere.
      if (entry?.node === undefined || entry.node === nowhere) return
      noteEnd(context, entry.node, entry.digest)
      drainQueues(context, system)
    },
    drainQueues: ({ context, system }) => drainQueues(context, system),
    /** Reports are newer than what was heard with earlier answers. */
    noteView: assign(({ event }) => (event.type === 'view.changed' ? { view: event.view, heard: new Map() } : {})),
    noteLoad: ({ context, event }) => {
      if (event.type === 'load.heard') context.heard.set(heardKey(event.node, event.digest), event.load)
    },
    answerLoad: ({ context, event, system }) => {
      if (event.type !== 'load.get') return
      const { size, waiting } = context.tasks
      here(system).tell(event.replyTo, { type: 'load', active: size - waiting, queued: waiting })
    },
  },
  guards: {
    hasWaiting: ({ context }) => context.tasks.waiting > 0,
  },
  delays: { retry: retryMs },
}).createMachine({
  id: 'scheduler',
  options: machineOptions,
  context: ({ input }) => ({ ...input, view: new Map(), tasks: new TaskTable(), heard: new Map() }),
  on: {
    'task.dispatched': { actions: 'noteDispatched' },
    'task.unplaced': { actions: 'requeue' },
    'view.changed': { actions: ['noteView', 'drainQueues'] },
    'load.get': { actions: 'answerLoad' },
    'actor.down': { actions: 'release' },
    'load.heard': { actions: 'noteLoad' },
  },
  entry: 'askView',
  initial: 'accepting',
  states: {
    accepting: {
      initial: 'idle',
      states: {
        idle: { always: { guard: 'hasWaiting', target: 'pressed' } },
        /** Somebody waits: the holders are asked again now and then. */
        pressed: { after: { retry: { target: 'idle', actions: 'drainQueues' } } },
      },
      on: { 'task.submit': { actions: 'admit' }, drain: 'draining' },
    },
    draining: {
      initial: 'idle',
      states: {
        idle: { always: { guard: 'hasWaiting', target: 'pressed' } },
        pressed: { after: { retry: { target: 'idle', actions: 'drainQueues' } } },
      },
      on: { 'task.submit': { actions: 'refuseDraining' } },
    },
  },
})
