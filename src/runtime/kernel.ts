/** What the parts of one runtime share. */
import type { Undelivered } from '../../protocols/actor.ts'
import { failureOf } from '../../protocols/exit.ts'
import type { NodeId, Ref } from '../../protocols/ref.ts'
import type { Cell } from './cell.ts'
import { Counters } from './counters.ts'
import { Facts } from './facts.ts'
import type { World } from './world.ts'

/** Ids per unit of a node's life. Ids rise across restarts, because each life is a larger number than the one before. */
const idsPerLife = 1024

export class Kernel {
  readonly node: NodeId
  readonly world: World
  readonly facts: Facts
  readonly cells = new Map<Ref, Cell>()
  readonly counters = new Counters()
  /** Whether somebody looks, so that messages are to note when they arrive. */
  timed = false
  #lastId: number

  constructor(node: NodeId, world: World, life: number) {
    this.node = node
    this.world = world
    this.facts = new Facts((error) => {
      world.setTimeout(() => {
        throw error
      }, 0)
    })
    this.#lastId = life * idsPerLife
  }

  /** A number that this node has not used before, in this life or an earlier one: epochs, asks, watches, versions. */
  nextId(): number {
    return ++this.#lastId
  }

  isLocal(ref: Ref): boolean {
    return ref.startsWith(this.node) && ref[this.node.length] === '/'
  }

  /** Records that a message will not be handled. Always false, so that `tell` can return it. */
  deadLetter(to: Ref, type: string, why: Undelivered): false {
    this.counters.deadLetters[why]++
    const cell = this.cells.get(to)
    if (cell !== undefined) cell.refused++
    if (this.facts.wants('deadLetter')) this.facts.emit({ kind: 'deadLetter', to, type, why })
    return false
  }

  /** Records that a peer sent something that it may not, or this node something that cannot be sent. */
  rejected(from: NodeId, error: unknown): void {
    this.counters.reject(from)
    this.facts.emit({ kind: 'rejected', from, failure: failureOf(error) })
  }
}
