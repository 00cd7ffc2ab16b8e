/** A network in memory that a test holds in its hands: links between real libp2p nodes that can be held, slowed and cut. */
import type { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { NodeId } from '../../protocols/ref.ts'
import type { Fault } from './lane.ts'
import type { Wire } from './wire.ts'

const sound: Fault = { held: false, delayMs: 0 }

/** Where somebody listens. */
export interface Place {
  readonly node: NodeId
  accept(connection: AbstractMultiaddrConnection): void
}

interface Link {
  readonly from: NodeId
  readonly to: NodeId
  readonly wire: Wire
}

export class Fabric {
  readonly #places = new Map<string, Place>()
  readonly #links = new Set<Link>()
  readonly #faults = new Map<string, Fault>()
  readonly #closed = new Set<NodeId>()
  readonly #sentBytes = new Map<NodeId, number>()
  #onChange = Promise.withResolvers<void>()

  /** Nothing passes from one to the other; nothing is lost, and nobody is told. */
  hold(from: NodeId, to: NodeId): void {
    this.#change(from, to, { held: true })
  }

  release(from: NodeId, to: NodeId): void {
    this.#change(from, to, { held: false })
  }

  /** Whatever passes from one to the other takes this long. */
  slow(from: NodeId, to: NodeId, delayMs: number): void {
    this.#change(from, to, { delayMs })
  }

  /** Holds every link between the two sides, both ways. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) {
      for (const b of right) {
        this.hold(a, b)
        this.hold(b, a)
      }
    }
  }

  /** Ends every fault. */
  heal(): void {
    this.#faults.clear()
    this.#closed.clear()
    this.#wake()
  }

  /** Resets what connects the two; new dials succeed. */
  cut(a: NodeId, b: NodeId): void {
    for (const { from, to, wire } of this.#links) {
      if ((from === a && to === b) || (from === b && to === a)) wire.cut()
    }
  }

  /** The same for the one, of several connections between the two, on which the sender's bytes wait. */
  cutBusiest(sender: NodeId, receiver: NodeId): void {
    const waiting = (link: Link): number => waitingOn(link, sender, receiver)
    const [busiest] = [...this.#links].sort((left, right) => waiting(right) - waiting(left))
    busiest?.wire.cut()
  }

  /** Nobody is let in any more, as if nothing listened there; what is connected stays so. */
  refuseDials(to: NodeId): void {
    this.#closed.add(to)
  }

  /** Bytes that this node has sent to anybody. */
  sentBytes(node: NodeId): number {
    return this.#sentBytes.get(node) ?? 0
  }

  /** Bytes that are on their way from one to the other. */
  waitingBytes(sender: NodeId, receiver: NodeId): number {
    let bytes = 0
    for (const link of this.#links) bytes += Math.max(0, waitingOn(link, sender, receiver))
    return bytes
  }

  /** Connections that both of their ends or one of them believe in. */
  get connections(): number {
    return this.#links.size
  }

  #change(from: NodeId, to: NodeId, change: Partial<Fault>): void {
    this.#faults.set(`${from} ${to}`, { ...this.fault(from, to), ...change })
    this.#wake()
  }

  #wake(): void {
    for (const { wire } of this.#links) wire.wake()
    this.#onChange.resolve()
    this.#onChange = Promise.withResolvers()
  }

  /** The rest is for the transport. */
  fault(from: NodeId, to: NodeId): Fault {
    return this.#faults.get(`${from} ${to}`) ?? sound
  }

  noteSent(node: NodeId, bytes: number): void {
    this.#sentBytes.set(node, this.sentBytes(node) + bytes)
  }

  listen(address: string, place: Place): void {
    if (this.#places.has(address)) throw new Error(`EADDRINUSE: somebody listens at ${address}`)
    this.#places.set(address, place)
  }

  unlisten(address: string): void {
    this.#places.delete(address)
  }

  /** Who listens there, once a dial can come through; rejects when nobody does or the signal aborts. */
  async reach(from: NodeId, address: string, signal: AbortSignal): Promise<Place> {
    for (;;) {
      const place = this.#places.get(address)
      if (place === undefined || this.#closed.has(place.node)) {
        throw Object.assign(new Error(`nobody listens at ${address}`), { code: 'ECONNREFUSED' })
      }
      if (!this.fault(from, place.node).held && !this.fault(place.node, from).held) return place
      await untilAborted(this.#onChange.promise, signal)
    }
  }

  /** Knows a wire until both of its ends have closed. */
  add(from: NodeId, to: NodeId, create: (onClosed: () => void) => Wire): Wire {
    const link: Link = { from, to, wire: create(() => this.#links.delete(link)) }
    this.#links.add(link)
    return link.wire
  }
}

/** Bytes on their way from the sender; -1: this link is not between the two. */
function waitingOn({ from, to, wire }: Link, sender: NodeId, receiver: NodeId): number {
  if (from === sender && to === receiver) return wire.waitingBytes[0]
  return from === receiver && to === sender ? wire.waitingBytes[1] : -1
}

async function untilAborted(change: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    await Promise.race([change, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
