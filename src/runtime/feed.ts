/** What a reader of this node may pull: its actors, its counters, who waits for whose answer, and what happened lately. */
import type { AskFailure, Undelivered } from '../../protocols/actor.ts'
import { exitText } from '../../protocols/exit.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { pathOf } from '../../protocols/ref.ts'
import { type Asks, type OpenAsk, type OwedAnswer, owedBy } from './asks.ts'
import { type Cell, stateOf } from './cell.ts'
import type { Kernel } from './kernel.ts'
import { promisesOf } from './logic.ts'
import { Recorder } from './recorder.ts'

/** Invoked promises of one actor that are shown, the first ones. */
const maxShownPromises = 4

/** One actor as the inspector shows it. */
export interface ActorInfo {
  readonly path: string
  /** Rises from address to address: the cursor of who reads page by page. */
  readonly born: number
  readonly state: string
  readonly waiting: number
  readonly capacity: number
  readonly restarts: number
  readonly epoch: number
  /** How its last incarnation ended, as text; null while the first one runs. */
  readonly lastExit: string | null
  /** Messages handled and refused since the address came to be. */
  readonly handled: number
  readonly refused: number
  /** How long its oldest message has waited; null: none waits, or nobody looked when it came. */
  readonly oldestMs: number | null
  /** The longest handler that was timed; null: none was. */
  readonly longestMs: number | null
  /** Answers that it owes. */
  readonly owes: number
  /** Promises that it invoked and that run now: what takes time in an actor, as no handler may. */
  readonly runs: readonly { readonly name: string; readonly forMs: number }[]
}

export type WaitingMessages = Pick<ActorInfo, 'path' | 'waiting'>

/** A node's counters, which only rise. */
export interface NodeCounters {
  /** Monotonic time when they were read: two readings make a rate. */
  readonly atMs: number
  readonly told: number
  readonly handled: number
  readonly restarts: number
  readonly links: number
  /** Opened; how many are open now; and how those that failed did. */
  readonly asks: number
  readonly asksOpen: number
  readonly asksFailed: Readonly<Record<AskFailure, number>>
  readonly deadLetters: Readonly<Record<Undelivered, number>>
  /** Refused frames by peer. */
  readonly rejected: Readonly<Record<NodeId, number>>
}

export class Feed {
  readonly #kernel: Kernel
  readonly #asks: Asks
  readonly recorder: Recorder

  constructor(kernel: Kernel, asks: Asks) {
    this.#kernel = kernel
    this.#asks = asks
    this.recorder = new Recorder(kernel)
  }

  /** All actors, parents before children, siblings in start order. */
  census(): ActorInfo[] {
    const nowMs = this.#kernel.world.monotonicMs()
    const found: ActorInfo[] = []
    const visit = (cell: Cell): void => {
      found.push(infoOf(cell, nowMs))
      for (const child of cell.children?.values() ?? []) visit(child)
    }
    for (const cell of this.#kernel.cells.values()) if (cell.parent === undefined) visit(cell)
    return found
  }

  /** The actors for which messages wait, and how many: the part of a census that may be asked for often. */
  waiting(): WaitingMessages[] {
    const found: WaitingMessages[] = []
    for (const { ref, mailbox } of this.#kernel.cells.values()) {
      if (mailbox.size > 0) found.push({ path: pathOf(ref), waiting: mailbox.size })
    }
    return found
  }

  counters(): NodeCounters {
    const { counters, cells, world } = this.#kernel
    const { told, restarts, links, asks, rejected } = counters
    const asksFailed = { ...counters.asksFailed }
    const deadLetters = { ...counters.deadLetters }
    let handled = counters.handledByGone
    for (const cell of cells.values()) handled += cell.handled
    const asksOpen = this.#asks.size
    return {
      atMs: world.monotonicMs(),
      told,
      handled,
      restarts,
      links,
      asks,
      asksOpen,
      asksFailed,
      deadLetters,
      rejected,
    }
  }

  /** The asks of this node that are open, and the answers that its actors owe, the oldest first. */
  waits(): { readonly asks: readonly OpenAsk[]; readonly owed: readonly OwedAnswer[] } {
    return { asks: this.#asks.waiting(), owed: this.#asks.owed() }
  }
}

function infoOf(cell: Cell, nowMs: number): ActorInfo {
  const { mailbox, lastExit, longestMs, actor } = cell
  const arrivedMs = mailbox.oldest?.arrivedMs ?? 0
  const promises = actor === undefined ? [] : promisesOf(actor).slice(0, maxShownPromises)
  return {
    path: pathOf(cell.ref),
    born: cell.born,
    state: stateOf(cell),
    waiting: mailbox.size,
    capacity: mailbox.capacity,
    restarts: cell.restarts,
    epoch: cell.epoch,
    lastExit: lastExit === undefined ? null : exitText(lastExit),
    handled: cell.handled,
    refused: cell.refused,
    oldestMs: arrivedMs === 0 ? null : nowMs - arrivedMs,
    longestMs: longestMs === 0 ? null : longestMs,
    owes: owedBy(cell),
    runs: promises.map(({ name, sinceMs }) => ({ name, forMs: nowMs - sinceMs })),
  }
}
