/**
 * A simulated network: ordered links between runtimes that delay, hold, break and are redialled, and a failure detector
 * that gives a node up when it stayed out of reach for too long. What a real link and a real detector would call on a
 * runtime (`linkUp`, `framesLost`, `nodeDown`), this calls.
 */
import { decodeActorFrame } from '../../protocols/actor.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { type Draw, mulberry32 } from '../sim/chance.ts'
import type { SimulatedWorld } from '../sim/world.ts'

export interface Faults {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** Chance that a frame vanishes and nobody hears of it: worse than any stream. */
  readonly loss: number
  /** Chance that a frame arrives twice. */
  readonly duplication: number
  /** Chance that a frame may overtake those sent before it. */
  readonly reordering: number
  /** Chance that the link breaks instead of taking a frame. */
  readonly breaks: number
}

const calm: Faults = { minDelayMs: 1, maxDelayMs: 5, loss: 0, duplication: 0, reordering: 0, breaks: 0 }

/** A partition longer than this breaks the link, as a heartbeat's silence would. */
const silenceMs = 300
/** A broken link is dialled again after this. */
const redialMs = 50
/** A node out of reach for longer than this is given up; each side adds up to as much again. */
const patienceMs = 500

interface Flight {
  readonly frame: Uint8Array
}

/** One direction of a link. */
interface Lane {
  readonly from: NodeId
  readonly to: NodeId
  /** Frames on the wire, oldest first. */
  flights: Flight[]
  lastArrivalMs: number
}

interface Link {
  readonly a: NodeId
  readonly b: NodeId
  up: boolean
  /** Counts the links that there were between the two: a frame lands only on the link that took it. */
  generation: number
  blocked: boolean
  readonly lanes: readonly [Lane, Lane]
}

/** What happened to the `tell` and `ask` frames that a link took. */
export interface Tally {
  taken: number
  delivered: number
  duplicated: number
  /** Lost with a link that could say so: `framesLost` was called. */
  reported: number
  /** Lost with nobody told. */
  vanished: number
}

export class SimulatedNetwork {
  readonly #world: SimulatedWorld
  readonly #draw: Draw
  readonly #nodes = new Map<NodeId, Runtime>()
  readonly #links = new Map<string, Link>()
  faults: Faults
  readonly tally: Tally = { taken: 0, delivered: 0, duplicated: 0, reported: 0, vanished: 0 }

  constructor(world: SimulatedWorld, faults: Partial<Faults> = {}) {
    this.#world = world
    this.#draw = mulberry32(world.seed ^ 0xcab1e)
    this.faults = { ...calm, ...faults }
  }

  /** Joins a runtime; one that bears a known node's name takes its place, as a restarted process does. */
  join(runtime: Runtime): void {
    const { node } = runtime
    this.#nodes.set(node, runtime)
    runtime.connect({ send: (to, frame) => this.#nodes.get(node) === runtime && this.#send(node, to, frame) })
    for (const other of this.#nodes.keys()) if (other !== node) this.#redial(this.#link(node, other))
  }

  /** The node's process dies: its links break at once, and what it sends from now on goes nowhere. */
  crash(node: NodeId): void {
    this.#nodes.delete(node)
    for (const link of this.#links.values()) if (link.a === node || link.b === node) this.#lose(link)
  }

  /** Nothing passes between the two sides. Frames are held until the link breaks by silence. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) for (const b of right) this.#block(this.#link(a, b))
  }

  heal(): void {
    for (const link of this.#links.values()) {
      link.blocked = false
      if (!link.up) this.#redial(link)
    }
  }

  /** Breaks the link between two nodes; it is redialled. */
  break(a: NodeId, b: NodeId): void {
    this.#lose(this.#link(a, b))
  }

  isUp(a: NodeId, b: NodeId): boolean {
    return this.#link(a, b).up
  }

  #link(a: NodeId, b: NodeId): Link {
    const key = [a, b].sort().join(' ')
    let link = this.#links.get(key)
    if (link === undefined) {
      const lane = (from: NodeId, to: NodeId): Lane => ({ from, to, flights: [], lastArrivalMs: 0 })
      link = { a, b, up: false, generation: 0, blocked: false, lanes: [lane(a, b), lane(b, a)] }
      this.#links.set(key, link)
    }
    return link
  }

  #send(from: NodeId, to: NodeId, frame: Uint8Array): boolean {
    if (from === to || !this.#nodes.has(to)) return false
    const link = this.#link(from, to)
    if (!link.up) return false
    const { faults } = this
    if (this.#draw() < faults.breaks) {
      this.#lose(link)
      return false
    }
    this.#count('taken', frame)
    if (this.#draw() < faults.loss) {
      this.#count('vanished', frame)
      return true
    }
    const lane = link.lanes[link.lanes[0].from === from ? 0 : 1]
    if (this.#draw() < faults.duplication) {
      this.#count('duplicated', frame)
      this.#fly(link, lane, frame)
    }
    this.#fly(link, lane, frame)
    return true
  }

  #fly(link: Link, lane: Lane, frame: Uint8Array): void {
    const { minDelayMs, maxDelayMs, reordering } = this.faults
    let arrivalMs = this.#world.monotonicMs() + minDelayMs + this.#draw() * (maxDelayMs - minDelayMs)
    if (this.#draw() >= reordering) {
      arrivalMs = Math.max(arrivalMs, lane.lastArrivalMs)
      lane.lastArrivalMs = arrivalMs
    }
    const flight: Flight = { frame }
    lane.flights.push(flight)
    this.#land(link, lane, flight, link.generation, arrivalMs - this.#world.monotonicMs())
  }

  #land(link: Link, lane: Lane, flight: Flight, generation: number, delayMs: number): void {
    this.#world.setTimeout(() => {
      if (link.generation !== generation || !link.up) return
      // Held: the stream sends again until it gets through. Equal waits keep the order.
      if (link.blocked) return this.#land(link, lane, flight, generation, 10)
      lane.flights = lane.flights.filter((other) => other !== flight)
      this.#count('delivered', flight.frame)
      this.#nodes.get(lane.to)?.receive(lane.from, flight.frame)
    }, delayMs)
  }

  #block(link: Link): void {
    link.blocked = true
    const { generation } = link
    this.#world.setTimeout(() => {
      if (link.blocked && link.generation === generation) this.#lose(link)
    }, silenceMs)
  }

  /** The older frames on the wire may have left this host and vanish; the younger ones are returned to their sender. */
  #lose(link: Link): void {
    if (!link.up) return
    link.up = false
    link.generation++
    for (const lane of link.lanes) {
      const left = Math.floor(this.#draw() * (lane.flights.length + 1))
      for (const { frame } of lane.flights.slice(0, left)) this.#count('vanished', frame)
      const returned = lane.flights.slice(left).map(({ frame }) => frame)
      const sender = this.#nodes.get(lane.from)
      for (const frame of returned) this.#count(sender === undefined ? 'vanished' : 'reported', frame)
      lane.flights = []
      sender?.framesLost(lane.to, returned)
    }
    this.#redial(link)
    this.#suspect(link, link.a, link.b)
    this.#suspect(link, link.b, link.a)
  }

  #redial(link: Link): void {
    const { generation } = link
    this.#world.setTimeout(() => {
      if (link.up || link.blocked || link.generation !== generation) return
      const [a, b] = [this.#nodes.get(link.a), this.#nodes.get(link.b)]
      if (a === undefined || b === undefined) return
      link.up = true
      a.linkUp(link.b)
      if (link.up) b.linkUp(link.a)
    }, redialMs)
  }

  #suspect(link: Link, observer: NodeId, suspect: NodeId): void {
    const { generation } = link
    const runtime = this.#nodes.get(observer)
    this.#world.setTimeout(
      () => {
        if (!link.up && link.generation === generation) runtime?.nodeDown(suspect)
      },
      patienceMs * (1 + this.#draw()),
    )
  }

  #count(what: keyof Tally, frame: Uint8Array): void {
    const { kind } = decodeActorFrame(frame)
    if (kind === 'tell' || kind === 'ask') this.tally[what]++
  }
}
