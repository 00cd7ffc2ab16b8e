/**
 * Ask: a one-shot ref with a timeout, so that a reply is only another tell. An ask ends in exactly one way: the reply,
 * a refusal, the end of the asked incarnation or of its node, or the timeout.
 */
import type { AskFailure, AskRefusal } from '../../protocols/actor.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { nodeOf, pathOf, refOf } from '../../protocols/ref.ts'
import { type Cell, isLive } from './cell.ts'
import type { Kernel } from './kernel.ts'
import type { TimerId } from './world.ts'

/** Unanswered asks that one incarnation may owe; beyond it the asker is refused like by a full mailbox. */
export const maxOwedAsks = 4096

const prefix = '$ask/'

/** The ask's number when `path` is a one-shot ref's. */
export function askOf(path: string): number | undefined {
  return path.startsWith(prefix) ? Number(path.slice(prefix.length)) : undefined
}

export const askPath = (ask: number): string => `${prefix}${ask}`

/** Thrown when an ask will not be answered. `reason` says why. */
export class AskError extends Error {
  override readonly name = 'AskError'
  readonly reason: AskFailure
  readonly to: Ref

  constructor(reason: AskFailure, to: Ref, type: string) {
    super(`${type} to ${to}: ${reason}`)
    this.reason = reason
    this.to = to
  }
}

/** The incarnation that asks. */
export interface Asker {
  readonly cell: Cell
  readonly epoch: number
}

/** An ask that has not ended: an edge from who waits to who was asked. */
export interface OpenAsk {
  /** Its one-shot ref, unique in the cluster. */
  readonly ask: Ref
  /** The path of the actor that asked; null: asked from outside, or by an incarnation that has ended. */
  readonly asker: string | null
  readonly asked: Ref
  readonly type: string
  readonly ageMs: number
  /** Until its timeout. */
  readonly leftMs: number
}

/** An answer that an actor of this node owes, to an ask of this node or another. */
export interface OwedAnswer {
  readonly ask: Ref
  readonly by: string
}

interface Pending {
  readonly asker: Asker | undefined
  readonly to: Ref
  readonly type: string
  readonly sinceMs: number
  readonly untilMs: number
  readonly timer: TimerId
  resolve(reply: Message): void
  reject(error: AskError): void
}

/** What is asked of whom, by whom; without an asker, from outside. */
interface Question {
  readonly asker: Asker | undefined
  readonly to: Ref
  readonly type: string
  readonly timeoutMs: number
}

export class Asks {
  readonly #kernel: Kernel
  readonly #pending = new Map<number, Pending>()
  /** Who owes which answer, and until when the asker waits. */
  readonly #owed = new Map<Ref, { cell: Cell; deadlineMs: number }>()
  /** Tells an asker on another node that no answer will come. */
  readonly #refuseRemote: (asker: Ref, why: AskRefusal) => void

  constructor(kernel: Kernel, refuseRemote: (asker: Ref, why: AskRefusal) => void) {
    this.#kernel = kernel
    this.#refuseRemote = refuseRemote
  }

  /** Opens a one-shot ref and hands the question to `deliver`, which answers why it could not, if so. */
  open(question: Question, deliver: (ask: number, replyTo: Ref, untilMs: number) => AskRefusal | undefined) {
    const { asker, to, type, timeoutMs } = question
    const ask = this.#kernel.nextId()
    const sinceMs = this.#kernel.world.monotonicMs()
    const untilMs = sinceMs + timeoutMs
    this.#kernel.counters.asks++
    return new Promise<Message>((resolve, reject) => {
      const timer = this.#kernel.world.setTimeout(() => this.fail(ask, 'timeout'), timeoutMs)
      this.#pending.set(ask, { asker, to, type, sinceMs, untilMs, timer, resolve, reject })
      const why = deliver(ask, refOf(this.#kernel.node, askPath(ask)), untilMs)
      if (why !== undefined) this.fail(ask, why)
    })
  }

  /** The node that was asked and the type of the question; undefined when the ask has ended. */
  asked(ask: number): { readonly node: NodeId; readonly type: string } | undefined {
    const pending = this.#pending.get(ask)
    return pending === undefined ? undefined : { node: nodeOf(pending.to), type: pending.type }
  }

  settle(ask: number, reply: Message): boolean {
    return this.#close(ask, (pending) => pending.resolve(reply))
  }

  fail(ask: number, reason: AskFailure): boolean {
    return this.#close(ask, (pending) => {
      this.#kernel.counters.asksFailed[reason]++
      pending.reject(new AskError(reason, pending.to, pending.type))
    })
  }

  #close(ask: number, end: (pending: Pending) => void): boolean {
    const pending = this.#pending.get(ask)
    if (pending === undefined) return false
    this.#pending.delete(ask)
    this.paid(refOf(this.#kernel.node, askPath(ask)))
    this.#kernel.world.clearTimeout(pending.timer)
    end(pending)
    return true
  }

  /** False: `cell` owes too many answers already. */
  mayOwe(cell: Cell): boolean {
    if (owedBy(cell) >= maxOwedAsks) this.#forgetExpired(cell)
    return owedBy(cell) < maxOwedAsks
  }

  /** Records that `cell` must answer `asker`. An actor that forwarded the question no longer has to. */
  owe(cell: Cell, asker: Ref, deadlineMs: number): void {
    const before = this.#owed.get(asker)
    before?.cell.owes?.delete(asker)
    cell.owes ??= new Set()
    cell.owes.add(asker)
    this.#owed.set(asker, { cell, deadlineMs: deadlineMs === 0 ? (before?.deadlineMs ?? 0) : deadlineMs })
  }

  /** The answer is on its way, or nobody waits for it any more. False: nothing was owed. */
  paid(asker: Ref): boolean {
    const owed = this.#owed.get(asker)
    if (owed === undefined) return false
    this.#owed.delete(asker)
    owed.cell.owes?.delete(asker)
    return true
  }

  /** The incarnation ended: whoever it owes an answer hears so at once. */
  ended(cell: Cell): void {
    for (const asker of [...(cell.owes ?? [])]) this.refuse(asker, 'down')
  }

  refuse(asker: Ref, why: AskRefusal): void {
    if (!this.paid(asker)) return
    const ask = askOf(asker.slice(this.#kernel.node.length + 1))
    if (!this.#kernel.isLocal(asker)) this.#refuseRemote(asker, why)
    else if (ask !== undefined) this.fail(ask, why)
  }

  /** A node is gone: asks to it fail, and nothing is owed to it any more. */
  nodeDown(node: NodeId): void {
    for (const [ask, pending] of this.#pending) if (nodeOf(pending.to) === node) this.fail(ask, 'unreachable')
    for (const asker of this.#owed.keys()) if (nodeOf(asker) === node) this.paid(asker)
  }

  /** How many asks of this node are open. */
  get size(): number {
    return this.#pending.size
  }

  /** Asks of this node that have not ended, the oldest first. */
  waiting(): OpenAsk[] {
    const nowMs = this.#kernel.world.monotonicMs()
    return [...this.#pending].map(([ask, { asker, to, type, sinceMs, untilMs }]) => ({
      ask: refOf(this.#kernel.node, askPath(ask)),
      asker: asker !== undefined && isCurrent(asker) ? pathOf(asker.cell.ref) : null,
      asked: to,
      type,
      ageMs: nowMs - sinceMs,
      leftMs: Math.max(0, untilMs - nowMs),
    }))
  }

  /** Answers that actors of this node owe, the oldest first. */
  owed(): OwedAnswer[] {
    return [...this.#owed].map(([ask, { cell }]) => ({ ask, by: pathOf(cell.ref) }))
  }

  #forgetExpired(cell: Cell): void {
    const nowMs = this.#kernel.world.monotonicMs()
    for (const asker of [...(cell.owes ?? [])]) {
      const owed = this.#owed.get(asker)
      if (owed === undefined || (owed.deadlineMs !== 0 && owed.deadlineMs < nowMs)) {
        this.#owed.delete(asker)
        cell.owes?.delete(asker)
      }
    }
  }
}

const isCurrent = ({ cell, epoch }: Asker): boolean => isLive(cell) && cell.epoch === epoch

/** How many answers it owes. */
export const owedBy = (cell: Cell): number => cell.owes?.size ?? 0
