/**
 * The way from one host to another, in one direction. What is sent on it takes time; while it is blocked nothing passes
 * and nothing breaks. Rules belong to the direction, so that a partition may be one-sided.
 */
import type { NodeId } from '../../protocols/ref.ts'
import type { Draw } from './chance.ts'
import type { SimulatedWorld } from './world.ts'

/** What the messages of the actor stream and gossip may meet while a window of it lasts; a stream's bytes never do. */
export interface Flakiness {
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
}

const steady: Flakiness = { loss: 0, duplication: 0, reordering: 0 }

const minDelayMs = 0.3
const jitterMs = 2

export class Path {
  readonly from: NodeId
  readonly to: NodeId
  readonly world: SimulatedWorld
  readonly draw: Draw
  flakiness: Flakiness = steady
  /** Added to every delay. */
  slowMs = 0
  #blockers = 0
  readonly #waiting: Array<() => void> = []

  constructor(world: SimulatedWorld, from: NodeId, to: NodeId, draw: Draw) {
    this.world = world
    this.from = from
    this.to = to
    this.draw = draw
  }

  get blocked(): boolean {
    return this.#blockers > 0
  }

  block(): void {
    this.#blockers++
  }

  /** One blocker less; with the last one gone, what was held goes on. */
  unblock(): void {
    if (this.#blockers === 0 || --this.#blockers > 0) return
    this.flush()
  }

  clear(): void {
    this.#blockers = 0
    this.slowMs = 0
    this.flakiness = steady
    this.flush()
  }

  flush(): void {
    for (const go of this.#waiting.splice(0)) go()
  }

  /** Calls `go` once something may pass again. */
  whenFree(go: () => void): void {
    this.#waiting.push(go)
  }

  delayMs(): number {
    return minDelayMs + this.slowMs + this.draw() * (jitterMs + this.slowMs / 4)
  }

  /** A packet outside of any connection: a SYN, or the answer to one. */
  datagram(arrive: () => void): void {
    this.world.setTimeout(() => {
      if (this.blocked) this.whenFree(() => this.datagram(arrive))
      else arrive()
    }, this.delayMs())
  }
}
