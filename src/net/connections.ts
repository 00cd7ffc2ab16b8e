/** The connections to each peer: there may be two for a moment, when both sides dialled. */
import type { Connection } from '@libp2p/interface'
import type { NodeId } from '../../protocols/ref.ts'

export class Connections {
  readonly #byNode = new Map<NodeId, Connection[]>()

  has(node: NodeId): boolean {
    return this.#byNode.has(node)
  }

  of(node: NodeId): readonly Connection[] {
    return [...(this.#byNode.get(node) ?? [])]
  }

  /** One that can carry a new stream. */
  open(node: NodeId): Connection | undefined {
    return this.#byNode.get(node)?.find(({ status }) => status === 'open')
  }

  /** Whether it is the first one to its peer. */
  add(node: NodeId, connection: Connection): boolean {
    const known = this.#byNode.get(node)
    if (known === undefined) this.#byNode.set(node, [connection])
    else known.push(connection)
    return known === undefined
  }

  /** Whether it was the last one to its peer. */
  remove(node: NodeId, connection: Connection): boolean {
    const known = this.#byNode.get(node)
    if (known === undefined || !known.includes(connection)) return false
    const left = known.filter((other) => other !== connection)
    if (left.length === 0) this.#byNode.delete(node)
    else this.#byNode.set(node, left)
    return left.length === 0
  }
}
