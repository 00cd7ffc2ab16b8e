/**
 * Ask: a one-shot ref with a timeout, so that a reply is only another tell. An ask ends in exactly one way: the reply,
 * a refusal, the end of the asked incarnation or of its node, or the timeout.
 */
import type { AskRefusal } from '../../protocols/actor.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { nodeOf, refOf } from '../../protocols/ref.ts'
import type { Cell } from './cell.ts'
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
  readonly reason: AskRefusal | 'timeout'
  readonly to: Ref

  constructor(reason: AskError['reason'], to: Ref, type: string) {
    super(`${type} to ${to}: ${reason}`)
    this.reason = reason
    this.to = to
  }
}

interface Pending {
  readonly to: Ref
  readonly type: string
  readonly timer: TimerId
  resolve(reply: Message): void
  reject(error: AskError): void
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
  open(to: Ref, type: string, timeoutMs: number, deliver: (ask: number, replyTo: Ref) => AskRefusal | undefined) {
    const ask = this.#kernel.nextId()
    return new Promise<Message>((resolve, reject) => {
      const timer = this.#kernel.world.setTimeout(() => this.fail(ask, 'timeout'), timeoutMs)
      this.#pending.set(ask, { to, type, timer, resolve, reject })
      const why = deliver(ask, refOf(this.#kernel.node, askPath(ask)))
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

  fail(ask: number, reason: AskError['reason']): boolean {
    return this.#close(ask, (pending) => pending.reject(new AskError(reason, pending.to, pending.type)))
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
    if (cell.owes.size >= maxOwedAsks) this.#forgetExpired(cell)
    return cell.owes.size < maxOwedAsks
  }

  /** Records that `cell` must answer `asker`. An actor that forwarded the question no longer has to. */
  owe(cell: Cell, asker: Ref, deadlineMs: number): void {
    const before = this.#owed.get(asker)
    before?.cell.owes.delete(asker)
    cell.owes.add(asker)
    this.#owed.set(asker, { cell, deadlineMs: deadlineMs === 0 ? (before?.deadlineMs ?? 0) : deadlineMs })
  }

  /** The answer is on its way, or nobody waits for it any more. False: nothing was owed. */
  paid(asker: Ref): boolean {
    const owed = this.#owed.get(asker)
    if (owed === undefined) return false
    this.#owed.delete(asker)
    owed.cell.owes.delete(asker)
    return true
  }

  /** The incarnation ended: whoever it owes an answer hears so at once. */
  ended(cell: Cell): void {
    for (const asker of [...cell.owes]) this.refuse(asker, 'down')
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

  #forgetExpired(cell: Cell): void {
    const nowMs = this.#kernel.world.monotonicMs()
    for (const asker of [...cell.owes]) {
      const owed = this.#owed.get(asker)
      if (owed === undefined || (owed.deadlineMs !== 0 && owed.deadlineMs < nowMs)) {
        this.#owed.delete(asker)
        cell.owes.delete(asker)
      }
    }
  }
}
