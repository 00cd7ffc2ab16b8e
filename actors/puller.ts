/**
 * The manager of the pulls: who asks for a model that is on its way joins that pull, a few run at a time, and one that
 * nobody listens to any more is cancelled. Their supervisor `pulls` stands beside it.
 */
import { fullName, parseModelName } from '../protocols/model-name.ts'
import type { Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, machineOptions, setup } from '../src/runtime/logic.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { ProgressBoard } from './progress-board.ts'
import type { PullInput, PullSteps } from './pull.ts'

/** Pulls that run at once: they share the link and the disk. */
const maxRunning = 3
/** Pulls that run or wait; each holds a listener's connection. */
const maxPulls = 64

export interface PullRequest {
  /** As sent: it may name a scheme and a host. */
  readonly model: string
  readonly insecure: boolean
}

export interface PullerInput {
  /** The pull machine. */
  readonly pull: AnyActorLogic
  /** What a pull does; throws for a name that cannot be pulled, with a message for the person who asked. */
  readonly stepsOf: (request: PullRequest, board: ProgressBoard) => PullSteps
  /** Another place that must hear when a pull's actor ends, whatever ends it. */
  readonly boards: PullBoards
}

/** Answers `pull.join`. */
export type PullAnswer =
  | { readonly type: 'pull.joined'; readonly pull: Ref; readonly board: ProgressBoard }
  | { readonly type: 'pull.refused'; readonly message: string }

type PullerEvent =
  | { readonly type: 'pull.join'; readonly request: PullRequest; readonly listener: string; readonly replyTo: Ref }
  | { readonly type: 'pull.leave'; readonly pull: Ref; readonly listener: string }
  | ActorDown

interface PullEntry {
  readonly key: string
  readonly pull: Ref
  readonly board: ProgressBoard
  readonly listeners: Set<string>
  running: boolean
}

interface PullerContext extends PullerInput {
  /** By ref, in the order in which they came. */
  readonly pulls: Map<Ref, PullEntry>
}

/**
 * The boards of this node's pulls. Every actor that ends is a fact, so this one place sees the end of each pull: a board
 * that its actor did not end, because it crashed or was stopped, is ended here, so that nobody waits for it.
 */
export class PullBoards {
  readonly #open = new Map<Ref, ProgressBoard>()

  constructor({ facts }: Pick<Runtime, 'facts'>) {
    facts.observe(['exited'], ({ ref, exit }) => {
      this.#open.get(ref)?.end(exit.kind === 'crash' ? `the pull broke off: ${exit.failure.message}` : brokenOff)
      this.#open.delete(ref)
    })
  }

  add(pull: Ref, board: ProgressBoard): void {
    this.#open.set(pull, board)
  }

  /** Of a pull that never began. */
  remove(pull: Ref): void {
    this.#open.delete(pull)
  }
}

/** Its supervisor was stopped or restarted: all that came is still there. */
const brokenOff = 'the pull broke off: pull again to go on with it'

/** Requests with one key are one pull. */
function keyOf({ model, insecure }: PullRequest): string {
  const name = parseModelName(model)
  return `${insecure} ${name === undefined ? model : fullName(name).toLowerCase()}`
}

function join(context: PullerContext, request: PullRequest, listener: string, system: object): PullAnswer {
  const key = keyOf(request)
  const present = [...context.pulls.values()].find((entry) => entry.key === key && entry.listeners.size > 0)
  if (present === undefined) return begin(context, request, listener, system)
  present.listeners.add(listener)
  return { type: 'pull.joined', pull: present.pull, board: present.board }
}

function begin(context: PullerContext, request: PullRequest, listener: string, system: object): PullAnswer {
  const { spawn, watch, local, nextId } = here(system)
  if (context.pulls.size >= maxPulls)
    return { type: 'pull.refused', message: `${maxPulls} pulls are under way already` }
  const board = new ProgressBoard()
  const id = String(nextId())
  const pull = `${local('node/pulls')}/${id}`
  context.boards.add(pull, board)
  try {
    const input: PullInput = { steps: context.stepsOf(request, board), board }
    spawn({ id, logic: context.pull, input, restart: 'temporary' }, local('node/pulls'))
  } catch (error) {
    // Also while the supervisor of the pulls is stopped or being restarted.
    context.boards.remove(pull)
    return { type: 'pull.refused', message: (error as Error).message }
  }
  context.pulls.set(pull, { key: keyOf(request), pull, board, listeners: new Set([listener]), running: false })
  watch(pull)
  startNext(context, system)
  return { type: 'pull.joined', pull, board }
}

function startNext({ pulls }: PullerContext, system: object): void {
  const entries = [...pulls.values()]
  const free = maxRunning - entries.filter(({ running }) => running).length
  for (const entry of entries.filter(({ running }) => !running).slice(0, free)) {
    entry.running = true
    here(system).tell(entry.pull, { type: 'pull.start' })
  }
}

export const pullerMachine = setup({
  types: { context: {} as PullerContext, events: {} as PullerEvent, input: {} as PullerInput },
  actions: {
    join: ({ context, event, system }) => {
      if (event.type !== 'pull.join') return
      here(system).tell(event.replyTo, { ...join(context, event.request, event.listener, system) })
    },
    leave: ({ context, event, system }) => {
      if (event.type !== 'pull.leave') return
      const entry = context.pulls.get(event.pull)
      if (entry?.listeners.delete(event.listener) !== true || entry.listeners.size > 0) return
      here(system).tell(entry.pull, { type: 'pull.cancel' })
    },
    release: ({ context, event, system }) => {
      if (event.type === 'actor.down' && context.pulls.delete(event.ref)) startNext(context, system)
    },
  },
}).createMachine({
  id: 'puller',
  options: machineOptions,
  context: ({ input }) => ({ ...input, pulls: new Map() }),
  on: {
    'pull.join': { actions: 'join' },
    'pull.leave': { actions: 'leave' },
    'actor.down': { actions: 'release' },
  },
})
