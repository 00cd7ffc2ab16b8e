/**
 * The manager of the transfers, from registries, to them and between nodes: who asks for one that is under way joins it, a few run at a
 * time, and one that nobody listens to any more is cancelled. Their supervisor `transfers` stands beside it.
 */
import { fullName, parseModelName } from '../protocols/model-name.ts'
import type { Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, machineOptions, setup } from '../src/runtime/logic.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { ActorDown } from '../src/runtime/watches.ts'
import { ProgressBoard } from './progress-board.ts'
import type { TransferInput, TransferSteps } from './transfer.ts'

/** Transfers that run at once: they share the link and the disk. */
const maxRunning = 3
/** Transfers that run or wait; each holds a listener's connection. */
const maxTransfers = 64

export interface TransferRequest {
  /** From a registry, to one, or from another node of the cluster. */
  readonly direction: 'pull' | 'push' | 'fetch'
  /** As sent: it may name a scheme and a host. */
  readonly model: string
  readonly insecure: boolean
}

export interface CourierInput {
  /** The transfer machine. */
  readonly transfer: AnyActorLogic
  /** What one does; throws for a name that no registry could have, with a message for the person who asked. */
  readonly stepsOf: (request: TransferRequest, board: ProgressBoard) => TransferSteps
  /** Another place that must hear when a transfer's actor ends, whatever ends it. */
  readonly boards: TransferBoards
}

/** Answers `transfer.join`. */
export type TransferAnswer =
  | { readonly type: 'transfer.joined'; readonly transfer: Ref; readonly board: ProgressBoard }
  | { readonly type: 'transfer.refused'; readonly message: string }

type CourierEvent =
  | {
      readonly type: 'transfer.join'
      readonly request: TransferRequest
      readonly listener: string
      readonly replyTo: Ref
    }
  | { readonly type: 'transfer.leave'; readonly transfer: Ref; readonly listener: string }
  | ActorDown

interface TransferEntry {
  readonly key: string
  readonly transfer: Ref
  readonly board: ProgressBoard
  readonly listeners: Set<string>
  running: boolean
}

interface CourierContext extends CourierInput {
  /** By ref, in the order in which they came. */
  readonly transfers: Map<Ref, TransferEntry>
}

/**
 * The boards of this node's transfers. Every actor that ends is a fact, so this one place sees the end of each: a board
 * that its actor did not end, because it crashed or was stopped, is ended here, so that nobody waits for it.
 */
export class TransferBoards {
  readonly #open = new Map<Ref, ProgressBoard>()

  constructor({ facts }: Pick<Runtime, 'facts'>) {
    facts.observe(['exited'], ({ ref, exit }) => {
      this.#open.get(ref)?.end(exit.kind === 'crash' ? `it broke off: ${exit.failure.message}` : brokenOff)
      this.#open.delete(ref)
    })
  }

  add(transfer: Ref, board: ProgressBoard): void {
    this.#open.set(transfer, board)
  }

  /** Of one that never began. */
  remove(transfer: Ref): void {
    this.#open.delete(transfer)
  }
}

/** Its supervisor was stopped or restarted: all that came is still there. */
const brokenOff = 'it broke off: ask again to go on with it'

/** Requests with one key are one transfer. */
function keyOf({ direction, model, insecure }: TransferRequest): string {
  const name = parseModelName(model)
  return `${direction} ${insecure} ${name === undefined ? model : fullName(name).toLowerCase()}`
}

function join(context: CourierContext, request: TransferRequest, listener: string, system: object): TransferAnswer {
  const key = keyOf(request)
  const present = [...context.transfers.values()].find((entry) => entry.key === key && entry.listeners.size > 0)
  if (present === undefined) return begin(context, request, listener, system)
  present.listeners.add(listener)
  return { type: 'transfer.joined', transfer: present.transfer, board: present.board }
}

function begin(context: CourierContext, request: TransferRequest, listener: string, system: object): TransferAnswer {
  const { spawn, watch, local, nextId } = here(system)
  if (context.transfers.size >= maxTransfers)
    return { type: 'transfer.refused', message: `${maxTransfers} transfers are under way already` }
  const board = new ProgressBoard()
  const id = String(nextId())
  const transfer = `${local('node/transfers')}/${id}`
  context.boards.add(transfer, board)
  try {
    const input: TransferInput = { steps: context.stepsOf(request, board), board }
    spawn({ id, logic: context.transfer, input, restart: 'temporary' }, local('node/transfers'))
  } catch (error) {
    // Also while the supervisor of the transfers is stopped or being restarted.
    context.boards.remove(transfer)
    return { type: 'transfer.refused', message: (error as Error).message }
  }
  context.transfers.set(transfer, {
    key: keyOf(request),
    transfer,
    board,
    listeners: new Set([listener]),
    running: false,
  })
  watch(transfer)
  startNext(context, system)
  return { type: 'transfer.joined', transfer, board }
}

function startNext({ transfers }: CourierContext, system: object): void {
  const entries = [...transfers.values()]
  const free = maxRunning - entries.filter(({ running }) => running).length
  for (const entry of entries.filter(({ running }) => !running).slice(0, free)) {
    entry.running = true
    here(system).tell(entry.transfer, { type: 'transfer.start' })
  }
}

export const courierMachine = setup({
  types: { context: {} as CourierContext, events: {} as CourierEvent, input: {} as CourierInput },
  actions: {
    join: ({ context, event, system }) => {
      if (event.type !== 'transfer.join') return
      here(system).tell(event.replyTo, { ...join(context, event.request, event.listener, system) })
    },
    leave: ({ context, event, system }) => {
      if (event.type !== 'transfer.leave') return
      const entry = context.transfers.get(event.transfer)
      if (entry?.listeners.delete(event.listener) !== true || entry.listeners.size > 0) return
      here(system).tell(entry.transfer, { type: 'transfer.cancel' })
    },
    release: ({ context, event, system }) => {
      if (event.type === 'actor.down' && context.transfers.delete(event.ref)) startNext(context, system)
    },
  },
}).createMachine({
  id: 'courier',
  options: machineOptions,
  context: ({ input }) => ({ ...input, transfers: new Map() }),
  on: {
    'transfer.join': { actions: 'join' },
    'transfer.leave': { actions: 'leave' },
    'actor.down': { actions: 'release' },
  },
})
