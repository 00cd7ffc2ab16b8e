/** What a node has counted since it started: integers that only rise, so that whoever reads them computes the rates. */
import type { AskFailure, Undelivered } from '../../protocols/actor.ts'
import type { NodeId } from '../../protocols/ref.ts'

/** Peers whose refused frames are counted apart; beyond it they share the count of ''. */
const maxCountedPeers = 256

export class Counters {
  /** Messages told or asked here, and those that arrived from other nodes. */
  told = 0
  /** Handled by actors whose address is gone; the others count their own. */
  handledByGone = 0
  restarts = 0
  asks = 0
  /** Times that a link to a peer opened. */
  links = 0
  readonly deadLetters: Record<Undelivered, number> = { absent: 0, full: 0, expired: 0, unreachable: 0, invalid: 0 }
  readonly asksFailed: Record<AskFailure, number> = {
    absent: 0,
    full: 0,
    expired: 0,
    unreachable: 0,
    invalid: 0,
    down: 0,
    timeout: 0,
  }
  readonly #rejected = new Map<NodeId, number>()

  /** A frame from `peer` was refused. */
  reject(peer: NodeId): void {
    const key = this.#rejected.has(peer) || this.#rejected.size < maxCountedPeers ? peer : ''
    this.#rejected.set(key, (this.#rejected.get(key) ?? 0) + 1)
  }

  /** Refused frames by peer. */
  get rejected(): Readonly<Record<NodeId, number>> {
    return Object.fromEntries(this.#rejected)
  }
}
