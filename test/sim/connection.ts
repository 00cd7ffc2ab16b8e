/** A connection between two hosts, as each of its ends sees it: in order, without loss, until it breaks. */
import type { NodeId } from '../../protocols/ref.ts'
import type { NodeWorld } from './node-world.ts'
import type { Path } from './path.ts'
import { SimulatedStream } from './stream.ts'

/** What a message does to the end at which it arrives. */
export type Arrival = (end: End) => void

/** One direction: what is under way arrives in the order in which it was sent. */
class Lane {
  readonly #path: Path
  #lastArrivalMs = 0
  /** Arrived at the other host, and held there or on the way. */
  readonly #held: Array<() => void> = []
  #closed = false

  constructor(path: Path) {
    this.#path = path
  }

  close(): void {
    this.#closed = true
    this.#held.length = 0
  }

  /** `canTake`: whether the process at the other side has room. */
  send(arrive: () => void, canTake: () => boolean): void {
    const { world } = this.#path
    const nowMs = world.monotonicMs()
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#path.delayMs())
    world.setTimeout(() => {
      if (this.#closed) return
      if (this.#held.length === 0 && !this.#path.blocked && canTake()) arrive()
      else if (this.#held.push(arrive) === 1) this.#path.whenFree(() => this.#release(canTake))
    }, this.#lastArrivalMs - nowMs)
  }

  #release(canTake: () => boolean): void {
    while (this.#held.length > 0) {
      if (this.#closed) return
      if (this.#path.blocked || !canTake()) {
        this.#path.whenFree(() => this.#release(canTake))
        return
      }
      this.#held.shift()?.()
    }
  }
}

export interface EndInit {
  readonly node: NodeId
  readonly world: NodeWorld
  readonly onStream: (stream: SimulatedStream, end: End) => void
  readonly onClosed: (end: End) => void
  readonly onGossip: (end: End, origin: NodeId, id: number, bytes: Uint8Array) => void
}

export class End {
  readonly node: NodeId
  readonly world: NodeWorld
  readonly init: EndInit
  /** As libp2p calls them: `Connections`, `Link` and `InferServer` look at no more than these. */
  status: 'open' | 'closed' = 'open'
  readonly remotePeer: NodeId
  readonly streams = new Map<number, SimulatedStream>()
  #other: End | undefined
  /** Something was sent, and nobody was there to take it. */
  #unanswered = false
  readonly #lane: Lane
  #lastStream: number

  constructor(init: EndInit, remotePeer: NodeId, lane: Lane, firstStream: number) {
    this.init = init
    this.node = init.node
    this.world = init.world
    this.remotePeer = remotePeer
    this.#lane = lane
    this.#lastStream = firstStream
  }

  /** The two ends of a new connection; `isAlive` says whether a host answers at all. */
  static pair(a: EndInit, b: EndInit, forth: Path, back: Path): readonly [End, End] {
    const left = new End(a, b.node, new Lane(forth), 0)
    const right = new End(b, a.node, new Lane(back), 1)
    left.#other = right
    right.#other = left
    return [left, right]
  }

  get #peer(): End {
    return this.#other as End
  }

  /** Sends; an end that is closed already answers with a reset, unless its host is gone too. */
  send(arrive: Arrival): void {
    if (this.status !== 'open' || this.world.dead) return
    this.#transmit((end) => (end.status === 'open' ? arrive(end) : end.#reset()))
  }

  /** `onDead`: what the kernel of a process that died does with it. */
  #transmit(arrive: Arrival, onDead: Arrival = (end) => end.#reset()): void {
    const peer = this.#peer
    this.#lane.send(
      () => (peer.world.dead ? onDead(peer) : peer.world.deliver(() => arrive(peer))),
      () => peer.world.dead || peer.world.canRead,
    )
  }

  /** What was sent into nothing is sent again; a host that is back answers that it knows of no such connection. */
  retransmit(): void {
    if (this.#unanswered) this.send(() => {})
  }

  /** What a kernel does with a packet for a connection that it does not know; nobody answers its answer. */
  #reset(): void {
    if (this.world.unplugged) {
      this.#peer.#unanswered = true
      return
    }
    this.#transmit(
      (end) => end.broken(),
      () => {},
    )
  }

  /** Closes this end; the other hears of it when the message arrives, if it does. */
  close(): void {
    if (this.status !== 'open') return
    this.#transmit((end) => end.broken())
    this.broken()
  }

  /** Ends here, without a word to the other side. */
  broken(): void {
    if (this.status !== 'open') return
    this.status = 'closed'
    for (const stream of [...this.streams.values()]) stream.broken('the connection is gone')
    if (!this.world.dead) this.init.onClosed(this)
  }

  /** The network drops the connection: what is under way vanishes, and both processes hear, each when it reads. */
  cut(): void {
    this.#lane.close()
    this.world.deliver(() => this.broken())
  }

  get peer(): End {
    return this.#peer
  }

  openStream(protocol: string): SimulatedStream {
    this.#lastStream += 2
    const id = this.#lastStream
    const stream = new SimulatedStream(this, id, protocol)
    this.streams.set(id, stream)
    this.send((end) => {
      const accepted = new SimulatedStream(end, id, protocol)
      end.streams.set(id, accepted)
      end.init.onStream(accepted, end)
      end.send((opener) => opener.streams.get(id)?.negotiated())
    })
    return stream
  }

  gossip(origin: NodeId, id: number, bytes: Uint8Array): void {
    this.send((end) => end.init.onGossip(end, origin, id, bytes))
  }
}
