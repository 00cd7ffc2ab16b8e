/**
 * A node's `Host` on the simulated network: what `src/net/host.ts` builds on libp2p, built on simulated connections from
 * the same parts, so that outboxes, stream pools, watchdogs and framing are the real ones.
 */
import type { Libp2p } from '@libp2p/interface'
import type { NodeId } from '../../protocols/ref.ts'
import { Connections } from '../../src/net/connections.ts'
import { DialError } from '../../src/net/errors.ts'
import type { Host, HostEvents } from '../../src/net/host.ts'
import { InferClient } from '../../src/net/infer-client.ts'
import { InferServer } from '../../src/net/infer-server.ts'
import { negotiationTimeoutMs, stallMs } from '../../src/net/limits.ts'
import { Link } from '../../src/net/link.ts'
import type { Carrier } from '../../src/runtime/carrier.ts'
import type { End, EndInit } from './connection.ts'
import type { Listening, SimulatedNetwork } from './network.ts'
import type { NodeWorld } from './node-world.ts'
import type { SimulatedStream } from './stream.ts'

/** Gossip that is remembered, so that it is neither heard nor passed on twice. */
const maxRemembered = 512
/** A frame that is overtaken comes this much later. */
const overtakenMs = 40

type Handler = (stream: SimulatedStream, connection: End) => void

export const addressOf = (node: NodeId): string => `/sim/${node}`

const nodeAt = (address: string): NodeId => address.split('/')[2] ?? ''

export class SimulatedHost implements Host {
  readonly peerId: NodeId
  readonly carrier: Carrier
  readonly #network: SimulatedNetwork
  readonly #world: NodeWorld
  readonly #events: HostEvents
  readonly #connections = new Connections()
  readonly #ends = new Map<NodeId, Set<End>>()
  readonly #handlers = new Map<string, Handler>()
  readonly #link: Link
  readonly #client: InferClient
  readonly #heard = new Set<string>()
  readonly #listening: Listening
  readonly #close: () => void
  readonly #garbage = new WeakSet<Uint8Array>()
  #lastGossip = 0
  #closed = false

  static async open(
    network: SimulatedNetwork,
    world: NodeWorld,
    node: NodeId,
    events: HostEvents,
  ): Promise<SimulatedHost> {
    // Binding a port takes a moment.
    await new Promise<void>((resolve) => {
      world.setTimeout(resolve, 1)
    })
    return new SimulatedHost(network, world, node, events)
  }

  private constructor(network: SimulatedNetwork, world: NodeWorld, node: NodeId, events: HostEvents) {
    this.peerId = node
    this.#network = network
    this.#world = world
    this.#events = events
    const openStream = (to: NodeId, protocol: string, signal?: AbortSignal) => this.#openStream(to, protocol, signal)
    this.#link = new Link({
      ...events,
      openStream,
      clock: world,
      onFrame: (from, frame) => {
        network.onEvent({ kind: 'delivered', node, from, frame })
        events.onFrame(from, frame)
      },
      onFramesLost: (other, frames) => {
        // Who sends garbage is a process that is broken: it does not take its own for frames either.
        const told = frames.filter((frame) => !this.#garbage.has(frame))
        network.onEvent({ kind: 'returned', node, other, frames: frames.length, told })
        events.onFramesLost(other, told)
      },
    })
    this.#client = new InferClient({ ...events, openStream, stallMs, clock: world })
    const server = new InferServer({ ...events, clock: world })
    const libp2p = { handle: (protocol: string, handler: Handler) => this.#handlers.set(protocol, handler) }
    void this.#link.listen(libp2p as unknown as Libp2p)
    void server.listen(libp2p as unknown as Libp2p)
    this.carrier = { send: (to, frame) => this.#send(to, frame) }
    const init: EndInit = {
      node,
      world,
      onStream: (stream, end) => this.#handlers.get(stream.protocol)?.(stream, end),
      onClosed: (end) => this.#ended(end),
      onGossip: (end, origin, id, bytes) => this.#gossiped(end, origin, id, bytes),
    }
    this.#listening = { init, onAccepted: (end) => this.#began(end) }
    this.#close = network.listen(this.#listening)
  }

  addresses(): string[] {
    return [addressOf(this.peerId)]
  }

  addressesOf(node: NodeId): string[] {
    return [addressOf(node)]
  }

  async dial(addresses: readonly string[]): Promise<NodeId> {
    let failure = new DialError('invalid-address', 'There is no address to dial.')
    for (const to of new Set(addresses.map(nodeAt))) {
      if (this.#closed) break
      try {
        return await this.#network.dial(this.#listening, to)
      } catch (error) {
        failure = error as DialError
      }
    }
    throw failure
  }

  connected(node: NodeId): boolean {
    return this.#connections.has(node)
  }

  async hangUp(node: NodeId): Promise<void> {
    for (const end of [...(this.#ends.get(node) ?? [])]) end.close()
  }

  infer(node: NodeId, request: Parameters<Host['infer']>[1], signal?: AbortSignal) {
    return this.#client.infer(node, request, signal)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#client.close()
    this.#close()
  }

  #began(end: End): void {
    const node = end.remotePeer
    const ends = this.#ends.get(node) ?? new Set<End>()
    this.#ends.set(node, ends.add(end))
    if (!this.#connections.add(node, end as never)) return
    this.#network.onEvent({ kind: 'connected', node: this.peerId, other: node })
    this.#link.connected(node)
    this.#events.onConnected(node)
  }

  #ended(end: End): void {
    const node = end.remotePeer
    this.#ends.get(node)?.delete(end)
    this.#network.onEvent({ kind: 'broke', node: this.peerId, other: node })
    if (!this.#connections.remove(node, end as never)) return
    this.#network.onEvent({ kind: 'disconnected', node: this.peerId, other: node })
    this.#link.disconnected(node)
    this.#events.onDisconnected(node)
  }

  async #openStream(node: NodeId, protocol: string, signal?: AbortSignal) {
    const end = this.#connections.open(node) as unknown as End | undefined
    if (end === undefined) throw new Error(`${node} is not connected`)
    const stream = end.openStream(protocol)
    const giveUp = (): void => stream.abort(new Error('the stream was not agreed upon'))
    const timer = this.#world.setTimeout(giveUp, negotiationTimeoutMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await stream.ready
    } finally {
      this.#world.clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
    return stream.asStream
  }

  /** Loss, repetition and disorder happen between messages, as reconnecting causes them; never inside a stream. */
  #send(to: NodeId, frame: Uint8Array): boolean {
    if (this.#closed || this.#world.dead) return false
    const { flakiness, draw } = this.#network.path(this.peerId, to)
    const { loss, duplication, reordering } = flakiness
    const told = (kind: 'taken' | 'repeated' | 'vanished'): void =>
      this.#network.onEvent({ kind, node: this.peerId, other: to, frame })
    if (loss > 0 && this.connected(to) && draw() < loss) {
      told('taken')
      told('vanished')
      return true
    }
    if (reordering > 0 && this.connected(to) && draw() < reordering) {
      told('taken')
      this.#world.setTimeout(() => {
        if (!this.#link.send(to, frame)) told('vanished')
      }, draw() * overtakenMs)
      return true
    }
    if (!this.#link.send(to, frame)) return false
    told('taken')
    if (duplication > 0 && draw() < duplication && this.#link.send(to, frame)) told('repeated')
    return true
  }

  /** A frame of no meaning, or of a wrong one, from a peer that is broken or hostile. */
  sendGarbage(to: NodeId, frame: Uint8Array): void {
    this.#garbage.add(frame)
    if (this.#closed || !this.#link.send(to, frame)) return
    this.#network.onEvent({ kind: 'taken', node: this.peerId, other: to, frame })
  }

  /** What nodes read of each other's disks is tried with real ones. */
  async openFile(): Promise<undefined> {
    return undefined
  }

  publishReport(bytes: Uint8Array): void {
    const id = ++this.#lastGossip
    for (const ends of this.#ends.values()) for (const end of ends) this.#gossip(end, this.peerId, id, bytes)
  }

  #gossip(end: End, origin: NodeId, id: number, bytes: Uint8Array): void {
    const { flakiness, draw } = this.#network.path(this.peerId, end.remotePeer)
    if (draw() >= flakiness.loss) end.gossip(origin, id, bytes)
  }

  /** Passed on only to those that the author does not reach: in a full mesh a flood would tell everybody everything twice. */
  #gossiped(from: End, origin: NodeId, id: number, bytes: Uint8Array): void {
    const key = `${origin} ${id}`
    if (this.#closed || origin === this.peerId || this.#heard.has(key)) return
    this.#heard.add(key)
    if (this.#heard.size > maxRemembered) this.#heard.delete(this.#heard.values().next().value as string)
    this.#events.onReport(origin, bytes)
    for (const [node, ends] of this.#ends) {
      if (node === origin || node === from.remotePeer || this.#network.connected(origin, node)) continue
      for (const end of ends) this.#gossip(end, origin, id, bytes)
    }
  }
}
