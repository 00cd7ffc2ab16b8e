/**
 * Death watch: a watch binds to the current incarnation and yields exactly one `actor.down` when that ends for any
 * reason, a restart included, and when its node is gone. Notices travel in the signal lane: a full mailbox cannot
 * lose one.
 */
import type { ActorFrame } from '../../protocols/actor.ts'
import type { Exit } from '../../protocols/exit.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { nodeOf, pathOf, refOf } from '../../protocols/ref.ts'
import type { Cell } from './cell.ts'
import { addWatcher, isLive } from './cell.ts'
import type { Kernel } from './kernel.ts'

/** Watches that one incarnation may hold, and that one peer may hold here: bounds the signal lane and our memory. */
const maxWatches = 65_536

/** A full outbox drains within this; a lost link is redialled, and the other side then asks again by itself. */
const noticeRetryMs = 1000

/** What a watcher hears, once per watch. */
export interface ActorDown extends Message {
  readonly type: 'actor.down'
  readonly ref: Ref
  readonly epoch: number
  readonly exit: Exit
}

interface Abroad {
  readonly watcher: Cell
  readonly ref: Ref
  /** Known once the other node confirmed; 0 before. */
  epoch: number
}

type WatchFrame = Extract<ActorFrame, { watch: number }>

export class Watches {
  readonly #kernel: Kernel
  readonly #send: (node: NodeId, frame: ActorFrame) => boolean
  readonly #signal: (cell: Cell, message: Message) => void
  /** Our watches on other nodes' actors. */
  readonly #abroad = new Map<number, Abroad>()
  /** Other nodes' watches on our actors; without an actor, all that is left to do is to say so. */
  readonly #inbound = new Map<NodeId, Map<number, Cell | undefined>>()

  constructor(
    kernel: Kernel,
    send: (node: NodeId, frame: ActorFrame) => boolean,
    signal: (cell: Cell, message: Message) => void,
  ) {
    this.#kernel = kernel
    this.#send = send
    this.#signal = signal
  }

  watch(watcher: Cell, ref: Ref): void {
    watcher.watching ??= new Map()
    const { watching } = watcher
    if (watching.has(ref)) return
    if (watching.size >= maxWatches) throw new Error(`${watcher.ref} watches ${maxWatches} actors already`)
    if (this.#kernel.isLocal(ref)) this.#watchLocal(watcher, watching, ref)
    else this.#watchRemote(watcher, watching, ref)
  }

  #watchRemote(watcher: Cell, watching: Map<Ref, number>, ref: Ref): void {
    const watch = this.#kernel.nextId()
    watching.set(ref, watch)
    this.#abroad.set(watch, { watcher, ref, epoch: 0 })
    const sent = this.#send(nodeOf(ref), { kind: 'watch', watch, to: pathOf(ref), epoch: 0 })
    if (!sent) this.#down(watch, 0, { kind: 'unreachable' })
  }

  #watchLocal(watcher: Cell, watching: Map<Ref, number>, ref: Ref): void {
    const cell = this.#kernel.cells.get(ref)
    if (cell === undefined || !isLive(cell)) {
      this.#signal(watcher, actorDown(ref, cell?.epoch ?? 0, { kind: 'absent' }))
      return
    }
    watching.set(ref, 0)
    addWatcher(cell, watcher.ref, { ref: watcher.ref })
  }

  unwatch(watcher: Cell, ref: Ref): void {
    const watch = watcher.watching?.get(ref)
    if (watch === undefined) return
    watcher.watching?.delete(ref)
    if (watch === 0) {
      this.#kernel.cells.get(ref)?.watchers?.delete(watcher.ref)
      return
    }
    this.#abroad.delete(watch)
    this.#send(nodeOf(ref), { kind: 'unwatch', watch })
  }

  /** An incarnation ended: its watchers hear, and its own watches end with it. */
  ended(cell: Cell, exit: Exit): void {
    for (const watcher of cell.watchers?.values() ?? []) {
      if ('ref' in watcher) this.#notify(watcher.ref, cell, exit)
      else if ('onEnded' in watcher) watcher.onEnded()
      else this.#notifyRemote(watcher.node, watcher.watch, cell.epoch, exit)
    }
    cell.watchers?.clear()
    for (const ref of [...(cell.watching?.keys() ?? [])]) this.unwatch(cell, ref)
  }

  #notify(ref: Ref, cell: Cell, exit: Exit): void {
    const watcher = this.#kernel.cells.get(ref)
    if (watcher?.watching?.delete(cell.ref)) this.#signal(watcher, actorDown(cell.ref, cell.epoch, exit))
  }

  /** A notice that the carrier does not take is sent again, until the other node takes it, unwatches or is down. */
  #notifyRemote(node: NodeId, watch: number, epoch: number, exit: Exit): void {
    const held = this.#inbound.get(node)
    if (held?.has(watch) !== true) return
    if (this.#send(node, { kind: 'down', watch, epoch, exit })) held.delete(watch)
    else this.#kernel.world.setTimeout(() => this.#notifyRemote(node, watch, epoch, exit), noticeRetryMs)
  }

  #down(watch: number, epoch: number, exit: Exit): void {
    const abroad = this.#abroad.get(watch)
    if (abroad === undefined) return
    this.#abroad.delete(watch)
    abroad.watcher.watching?.delete(abroad.ref)
    this.#signal(abroad.watcher, actorDown(abroad.ref, epoch, exit))
  }

  /** The failure detector gave up on a node: all that was watched there is down, all that it watched is forgotten. */
  nodeDown(node: NodeId): void {
    for (const [watch, abroad] of this.#abroad) {
      if (nodeOf(abroad.ref) === node) this.#down(watch, abroad.epoch, { kind: 'unreachable' })
    }
    for (const [watch, cell] of this.#inbound.get(node) ?? []) cell?.watchers?.delete(remoteKey(node, watch))
    this.#inbound.delete(node)
  }

  /** A link is back: what was lost with the old one is asked again, by incarnation, so that no death is missed. */
  linkUp(node: NodeId): void {
    for (const [watch, { ref, epoch }] of this.#abroad) {
      if (nodeOf(ref) === node) this.#send(node, { kind: 'watch', watch, to: pathOf(ref), epoch })
    }
  }

  /** Handles the other side's half. False: a notice that does not come from the node of the watched actor. */
  receive(from: NodeId, frame: WatchFrame): boolean {
    if (frame.kind === 'watch') this.#onWatch(from, frame.watch, frame.to, frame.epoch)
    else if (frame.kind === 'unwatch') this.#onUnwatch(from, frame.watch)
    else return this.#onNotice(from, frame)
    return true
  }

  #onUnwatch(from: NodeId, watch: number): void {
    const held = this.#inbound.get(from)
    held?.get(watch)?.watchers?.delete(remoteKey(from, watch))
    held?.delete(watch)
  }

  #onNotice(from: NodeId, frame: Extract<WatchFrame, { kind: 'watched' | 'down' }>): boolean {
    const abroad = this.#abroad.get(frame.watch)
    if (abroad === undefined) return true
    if (nodeOf(abroad.ref) !== from) return false
    if (frame.kind === 'watched') abroad.epoch = frame.epoch
    else this.#down(frame.watch, frame.epoch, frame.exit)
    return true
  }

  #onWatch(from: NodeId, watch: number, path: string, epoch: number): void {
    const cell = this.#kernel.cells.get(refOf(this.#kernel.node, path))
    let held = this.#inbound.get(from)
    if (held === undefined) {
      held = new Map()
      this.#inbound.set(from, held)
    }
    if (held.size >= maxWatches && !held.has(watch)) {
      this.#send(from, { kind: 'down', watch, epoch, exit: { kind: 'absent' } })
      return
    }
    if (cell === undefined || !isLive(cell) || (epoch !== 0 && epoch !== cell.epoch)) {
      held.set(watch, undefined)
      const exit: Exit = (epoch === 0 ? undefined : cell?.lastExit) ?? { kind: 'absent' }
      this.#notifyRemote(from, watch, epoch, exit)
      return
    }
    held.set(watch, cell)
    addWatcher(cell, remoteKey(from, watch), { node: from, watch })
    this.#send(from, { kind: 'watched', watch, epoch: cell.epoch })
  }
}

const remoteKey = (node: NodeId, watch: number): string => `${node}#${watch}`

const actorDown = (ref: Ref, epoch: number, exit: Exit): ActorDown => ({ type: 'actor.down', ref, epoch, exit })
