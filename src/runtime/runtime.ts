/** One node's actor runtime: the tree of cells, what actors may say to each other, and what observers may see. */
import type { Undelivered } from '../../protocols/actor.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { nodeOf, pathOf, refOf } from '../../protocols/ref.ts'
import { type Asker, Asks, askOf } from './asks.ts'
import type { Carrier } from './carrier.ts'
import { type Cell, type Envelope, type Follower, isLive, type Spec } from './cell.ts'
import type { Facts } from './facts.ts'
import { type ActorInfo, Feed } from './feed.ts'
import { inspect } from './follow.ts'
import { type Door, openDoor, type TellOptions } from './here.ts'
import { Kernel } from './kernel.ts'
import { Lifecycle } from './lifecycle.ts'
import { Remote } from './remote.ts'
import { Turns } from './turns.ts'
import { Watches } from './watches.ts'
import { realWorld, type World } from './world.ts'

export class Runtime {
  readonly node: NodeId
  readonly life: number
  readonly facts: Facts
  /** What a reader may pull: actors, counters, asks, facts. */
  readonly feed: Feed
  readonly #kernel: Kernel
  readonly #turns: Turns
  readonly #asks: Asks
  readonly #watches: Watches
  readonly #remote: Remote
  readonly #lifecycle: Lifecycle
  /** What all doors share. */
  readonly #hall: Omit<Door, 'self' | 'ask' | 'spawn' | 'watch' | 'unwatch'>

  /**
   * `life` must be larger than in every earlier run of this node: see `src/store/life.ts`. A node that keeps nothing
   * takes the clock's word for it.
   */
  constructor(node: NodeId, world: World = realWorld, life = Math.floor(world.wallMs())) {
    this.node = node
    this.life = life
    this.#kernel = new Kernel(node, world, life)
    this.facts = this.#kernel.facts
    this.#turns = new Turns(this.#kernel, (_, replyTo) => {
      if (typeof replyTo === 'string') this.#asks.refuse(replyTo, 'expired')
    })
    this.#remote = new Remote({
      kernel: this.#kernel,
      asks: () => this.#asks,
      watches: () => this.#watches,
      deliver: (to, epoch, envelope) => this.#deliver(to, epoch, envelope),
    })
    this.#asks = new Asks(this.#kernel, (asker, why) => this.#remote.refuse(asker, why))
    this.#watches = new Watches(
      this.#kernel,
      (to, frame) => this.#remote.send(to, frame),
      (cell, message) => {
        cell.mailbox.signal({ message, traceId: '', deadlineMs: 0, arrivedMs: 0 })
        this.#turns.arm(cell)
      },
    )
    this.#lifecycle = new Lifecycle(this.#kernel, {
      opening: (cell, system) => {
        const { epoch } = cell
        openDoor(system, () => this.#doorOf(cell, epoch))
      },
      started: (cell) => this.#turns.arm(cell),
      ended: (cell, exit) => {
        this.#watches.ended(cell, exit)
        this.#asks.ended(cell)
        cell.mailbox.dropSignals()
      },
      gone: (cell) => this.#bury(cell),
    })
    this.feed = new Feed(this.#kernel, this.#asks)
    this.#hall = {
      node,
      tell: (to, message, options) => this.tell(to, message, options),
      stop: (ref) => this.stop(ref),
      local: (path) => refOf(node, path),
      monotonicMs: () => world.monotonicMs(),
      wallMs: () => world.wallMs(),
      random: () => world.random(),
      nextId: () => this.#kernel.nextId(),
    }
  }

  /** A fresh number that rises over this node's restarts. */
  nextId(): number {
    return this.#kernel.nextId()
  }

  get world(): World {
    return this.#kernel.world
  }

  /** Starts an actor, and the children that its spec declares; without `under` it is a root. */
  spawn(spec: Spec, under?: Ref): Ref {
    return this.#lifecycle.spawn(spec, under)
  }

  /** Graceful: `shutdown`, a limit, then stop, in reverse start order. Resolves when the address is free. */
  stop(ref: Ref): Promise<void> {
    return this.#lifecycle.stop(ref)
  }

  /** Fire and forget. False: it surely was not delivered; true promises nothing. */
  tell(to: Ref, message: Message, options: TellOptions = {}): boolean {
    const { deadlineMs = 0, traceId = this.#turns.traceId } = options
    this.#kernel.counters.told++
    if (askOf(pathOf(to)) !== undefined) return this.#answer(to, message)
    const why = this.#kernel.isLocal(to)
      ? this.#deliver(to, 0, { message, traceId, deadlineMs, arrivedMs: 0 })
      : this.#sendTell(to, message, traceId, deadlineMs)
    return why === undefined ? true : this.#kernel.deadLetter(to, message.type, why)
  }

  #sendTell(to: Ref, message: Message, traceId: string, deadlineMs: number): Undelivered | undefined {
    const remainingMs = deadlineMs === 0 ? 0 : Math.ceil(deadlineMs - this.world.monotonicMs())
    if (deadlineMs !== 0 && remainingMs <= 0) return 'expired'
    return this.#remote.tell(to, message, traceId, remainingMs) ? undefined : 'unreachable'
  }

  /** A reply is a tell to a one-shot ref: the first one counts, later ones are dead letters. */
  #answer(asker: Ref, message: Message): boolean {
    if (!this.#kernel.isLocal(asker)) {
      const sent = this.#asks.paid(asker) && this.#remote.reply(asker, message)
      return sent || this.#kernel.deadLetter(asker, message.type, 'absent')
    }
    const settled = this.#asks.settle(askOf(pathOf(asker)) as number, message)
    return settled || this.#kernel.deadLetter(asker, message.type, 'absent')
  }

  /** Rejects with an AskError: refused, timed out, or the asked incarnation or its node ended. */
  ask(to: Ref, message: Message, timeoutMs: number): Promise<Message> {
    return this.#ask(undefined, to, message, timeoutMs)
  }

  #ask(asker: Asker | undefined, to: Ref, message: Message, timeoutMs: number): Promise<Message> {
    const { traceId } = this.#turns
    this.#kernel.counters.told++
    return this.#asks.open({ asker, to, type: message.type, timeoutMs }, (ask, replyTo, deadlineMs) => {
      const why = this.#kernel.isLocal(to)
        ? this.#deliver(to, 0, { message: { ...message, replyTo }, traceId, deadlineMs, arrivedMs: 0 })
        : this.#sendAsk(ask, to, message, traceId, timeoutMs)
      if (why !== undefined) this.#kernel.deadLetter(to, message.type, why)
      return why
    })
  }

  #sendAsk(ask: number, to: Ref, message: Message, traceId: string, timeoutMs: number): Undelivered | undefined {
    return this.#remote.ask(ask, to, message, traceId, Math.ceil(timeoutMs)) ? undefined : 'unreachable'
  }

  #deliver(to: Ref, epoch: number, envelope: Envelope): Undelivered | undefined {
    const cell = this.#kernel.cells.get(to)
    if (cell === undefined || (epoch !== 0 && epoch !== cell.epoch)) return 'absent'
    const { replyTo } = envelope.message
    const asker = typeof replyTo === 'string' && askOf(pathOf(replyTo)) !== undefined ? replyTo : undefined
    if (asker !== undefined && !this.#asks.mayOwe(cell)) return 'full'
    if (!cell.mailbox.offer(envelope)) return 'full'
    if (this.#kernel.timed) envelope.arrivedMs = this.world.monotonicMs()
    if (asker !== undefined) this.#asks.owe(cell, asker, envelope.deadlineMs)
    this.#turns.arm(cell)
    return undefined
  }

  #bury(cell: Cell): void {
    this.#kernel.counters.handledByGone += cell.handled
    for (let left = cell.mailbox.take(); left !== undefined; left = cell.mailbox.take()) {
      const { type, replyTo } = left.message
      this.#kernel.deadLetter(cell.ref, type, 'absent')
      if (typeof replyTo === 'string') this.#asks.refuse(replyTo, 'absent')
    }
    this.#asks.ended(cell)
  }

  #doorOf(cell: Cell, epoch: number): Door {
    return {
      ...this.#hall,
      self: cell.ref,
      ask: (to, message, timeoutMs) => this.#ask({ cell, epoch }, to, message, timeoutMs),
      spawn: (spec, under) => this.spawn(spec, under ?? cell.ref),
      // A promise may outlive its incarnation; what it leaves behind must not watch in the name of the next one.
      watch: (ref) => {
        if (cell.epoch === epoch && isLive(cell)) this.#watches.watch(cell, ref)
      },
      unwatch: (ref) => {
        if (cell.epoch === epoch) this.#watches.unwatch(cell, ref)
      },
    }
  }

  /** Joins this runtime to the nodes that the carrier reaches; without one, only local refs work. */
  connect(carrier: Carrier | undefined): void {
    this.#remote.carrier = carrier
  }

  /** One frame of `/omx/actor/1` from a peer whose id the connection proved. */
  receive(from: NodeId, frame: Uint8Array): void {
    this.#remote.receive(from, frame)
  }

  /**
   * A link to a peer is open, for the first time or again, or may have lost what was on its way: watches on it are renewed.
   */
  linkUp(node: NodeId): void {
    this.#kernel.counters.links++
    this.#watches.linkUp(node)
  }

  /** Frames that a link took and could not deliver. */
  framesLost(node: NodeId, frames: readonly Uint8Array[]): void {
    this.#remote.lost(node, frames)
  }

  /** The failure detector gave up on a node: whatever was watched or asked there is over. */
  nodeDown(node: NodeId): void {
    this.#watches.nodeDown(node)
    this.#asks.nodeDown(node)
  }

  has(ref: Ref): boolean {
    return this.#kernel.cells.has(ref)
  }

  /** All actors of this node, parents before children, siblings in start order. */
  census(): ActorInfo[] {
    return this.feed.census()
  }

  /** Calls `follower` with every transition of this actor, over restarts, until the returned function is called. */
  follow(ref: Ref, follower: Follower): () => void {
    const cell = this.#kernel.cells.get(ref)
    if (cell === undefined) throw new Error(`there is no actor ${pathOf(ref)} on ${nodeOf(ref)}`)
    cell.followers ??= new Set()
    cell.followers.add(follower)
    if (isLive(cell)) inspect(cell, this.facts)
    return () => {
      cell.followers?.delete(follower)
      if (cell.followers?.size === 0 && !this.facts.wants('transitioned')) cell.unfollow?.()
    }
  }
}
