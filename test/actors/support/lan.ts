/**
 * A simulated local network, seen as `src/net` shows the real one: hosts that listen, connections that are dialled, break
 * or fall silent, gossip that may be lost. It detects nothing and redials nothing: that is the peers' machines' work.
 */
import type { NodeId } from '../../../protocols/ref.ts'
import type { SimulatedWorld } from '../../sim/world.ts'

/** One way, for a frame, a dial's answer, or the news that a connection is gone. */
const delayMs = 2
/** A dial into silence gives up after this, as a real one does; half-way its first packet is sent again. */
const dialTimeoutMs = 2000
const resendMs = 1000
/** A held frame is tried again this often. */
const retryMs = 20

export interface LanEvents {
  onConnected(node: NodeId): void
  onDisconnected(node: NodeId): void
  onFrame(from: NodeId, frame: Uint8Array): void
  onReport(from: NodeId, bytes: Uint8Array): void
}

/** A connection as each of its two ends sees it: one may believe in it for longer than the other. */
interface Connection {
  readonly ends: Set<NodeId>
}

const keyOf = (a: NodeId, b: NodeId): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

export class Lan {
  readonly world: SimulatedWorld
  /** Frames and dials between the two are held: nothing breaks, nothing arrives. */
  readonly #silent = new Set<string>()
  readonly #hosts = new Map<NodeId, LanEvents>()
  readonly #connections = new Map<string, Connection>()
  /** Whether a gossiped report arrives. */
  gossips: (from: NodeId, to: NodeId) => boolean = () => true

  constructor(world: SimulatedWorld) {
    this.world = world
  }

  /** Starts to listen: from now on the node can be dialled at `/lan/<node>`. Returns what ends that. */
  open(node: NodeId, events: LanEvents): () => void {
    this.#hosts.set(node, events)
    return () => {
      if (this.#hosts.get(node) === events) this.#close(node)
    }
  }

  /** Stops listening, by design or by death. What was sent still arrives; then the other ends hear that it is over. */
  #close(node: NodeId): void {
    this.#hosts.delete(node)
    for (const [key, { ends }] of this.#connections) {
      if (!ends.delete(node)) continue
      const other = key.split(' ').find((end) => end !== node) as NodeId
      if (!this.#silent.has(key)) this.#disconnectSoon(other, node)
    }
  }

  /** Connects to the first address at which somebody listens; rejects when nobody does. */
  async dial(from: NodeId, addresses: readonly string[]): Promise<NodeId> {
    const target = addresses.map((address) => address.replace('/lan/', '')).find((node) => this.#hosts.has(node))
    if (target !== undefined && this.#silent.has(keyOf(from, target))) {
      await this.#sleep(resendMs)
      if (this.#silent.has(keyOf(from, target))) {
        await this.#sleep(dialTimeoutMs - resendMs)
        throw new Error(`no answer from ${target}`)
      }
    }
    await this.#sleep(delayMs)
    if (target === undefined || target === from || !this.#hosts.has(target) || !this.#hosts.has(from)) {
      throw new Error(`nobody listens at ${addresses.join(', ')}`)
    }
    this.#connect(from, target)
    return target
  }

  #connect(a: NodeId, b: NodeId): void {
    const before = this.#connections.get(keyOf(a, b))?.ends ?? new Set<NodeId>()
    this.#connections.set(keyOf(a, b), { ends: new Set([a, b]) })
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!before.has(node)) this.#hosts.get(node)?.onConnected(other)
    }
  }

  connected(node: NodeId, other: NodeId): boolean {
    return this.#connections.get(keyOf(node, other))?.ends.has(node) === true
  }

  /** One end closes; the other hears of it unless nothing passes between them. */
  hangUp(node: NodeId, other: NodeId): void {
    const connection = this.#connections.get(keyOf(node, other))
    if (connection?.ends.delete(node) !== true) return
    this.#hosts.get(node)?.onDisconnected(other)
    if (!this.#silent.has(keyOf(node, other))) this.#disconnectSoon(other, node)
  }

  /** Breaks the connection between two nodes: both hear at once. Dials succeed. */
  cut(a: NodeId, b: NodeId): void {
    const connection = this.#connections.get(keyOf(a, b))
    this.#connections.delete(keyOf(a, b))
    for (const end of connection?.ends ?? []) this.#hosts.get(end)?.onDisconnected(end === a ? b : a)
  }

  #disconnectSoon(node: NodeId, other: NodeId): void {
    const connection = this.#connections.get(keyOf(node, other))
    this.world.setTimeout(() => {
      if (this.#connections.get(keyOf(node, other)) !== connection) return
      connection?.ends.delete(node)
      this.#hosts.get(node)?.onDisconnected(other)
    }, delayMs)
  }

  /** From now on nothing passes between the two sides, and nobody is told. */
  silence(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) for (const b of right) this.#silent.add(keyOf(a, b))
  }

  heal(): void {
    this.#silent.clear()
  }

  send(from: NodeId, to: NodeId, frame: Uint8Array): boolean {
    const connection = this.#connections.get(keyOf(from, to))
    if (connection?.ends.has(from) !== true) return false
    this.#fly(connection, from, to, frame)
    return true
  }

  #fly(connection: Connection, from: NodeId, to: NodeId, frame: Uint8Array): void {
    const isSilent = this.#silent.has(keyOf(from, to))
    this.world.setTimeout(
      () => {
        if (this.#connections.get(keyOf(from, to)) !== connection || !connection.ends.has(to)) return
        if (this.#silent.has(keyOf(from, to))) this.#fly(connection, from, to, frame)
        else this.#hosts.get(to)?.onFrame(from, frame)
      },
      isSilent ? retryMs : delayMs,
    )
  }

  /** Reports reach whoever is connected, directly or over others; nobody hears its own. */
  gossip(from: NodeId, bytes: Uint8Array): void {
    const reached = new Set([from])
    for (const node of reached) {
      for (const other of this.#hosts.keys()) {
        if (this.connected(node, other) && !this.#silent.has(keyOf(node, other))) reached.add(other)
      }
    }
    for (const to of reached) {
      if (to === from || !this.gossips(from, to)) continue
      this.world.setTimeout(() => this.#hosts.get(to)?.onReport(from, bytes), 2 * delayMs)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.setTimeout(resolve, ms)
    })
  }
}
