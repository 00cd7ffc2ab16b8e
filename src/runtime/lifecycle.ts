/** Starts, ends, restarts and stops incarnations. The decisions are `judge`'s; this is what they do to the tree. */
import type { Exit } from '../../protocols/exit.ts'
import { failureOf } from '../../protocols/exit.ts'
import type { Ref } from '../../protocols/ref.ts'
import { addChild, addWatcher, type Cell, createCell, isLive, newestFirst, type Spec } from './cell.ts'
import { inspect } from './follow.ts'
import type { Kernel } from './kernel.ts'
import { type AnyActor, createActor } from './logic.ts'
import { quick } from './quick-transition.ts'
import { judge } from './supervise.ts'
import type { World } from './world.ts'

export interface LifecycleHooks {
  /** An incarnation is about to start: gives it its door. */
  opening(cell: Cell, system: object): void
  /** It started: it may be given messages. */
  started(cell: Cell): void
  /** It ended: watchers and askers are to hear. */
  ended(cell: Cell, exit: Exit): void
  /** The address is free: what still waits in the mailbox is undeliverable. */
  gone(cell: Cell): void
}

export class Lifecycle {
  readonly #kernel: Kernel
  readonly #hooks: LifecycleHooks
  /** One for all actors. */
  readonly #clock: ReturnType<typeof clockOf>
  readonly #onEnded = (cell: Cell, actor: AnyActor, exit: Exit): void => this.#ended(cell, actor, exit)

  constructor(kernel: Kernel, hooks: LifecycleHooks) {
    this.#kernel = kernel
    this.#hooks = hooks
    this.#clock = clockOf(kernel.world)
  }

  spawn(spec: Spec, under: Ref | undefined): Ref {
    const parent = under === undefined ? undefined : this.#kernel.cells.get(under)
    if (under !== undefined && (parent === undefined || !isLive(parent) || parent.stopped !== undefined)) {
      throw new Error(`cannot start ${spec.id}: ${under} is not running`)
    }
    const ref = `${under ?? this.#kernel.node}/${spec.id}`
    if (this.#kernel.cells.has(ref)) throw new Error(`${ref} is already running`)
    const cell = createCell(ref, spec, parent, this.#kernel.nextId())
    this.#kernel.cells.set(ref, cell)
    if (parent !== undefined) addChild(parent, cell)
    this.#start(cell)
    return ref
  }

  #start(cell: Cell): void {
    const actor = createActor(quick(cell.spec.logic), { id: cell.ref, input: cell.spec.input, clock: this.#clock })
    cell.actor = actor
    cell.epoch = this.#kernel.nextId()
    // A new supervisor has its whole intensity; a root's own restarts are in its history, so it keeps that.
    if (cell.parent !== undefined) cell.history = []
    cell.phase = 'running'
    this.#hooks.opening(cell, actor.system)
    actor.subscribe(new Ending(cell, actor, this.#onEnded))
    if ((cell.followers?.size ?? 0) > 0 || this.#kernel.facts.wants('transitioned')) inspect(cell, this.#kernel.facts)
    this.#kernel.facts.emit({ kind: 'started', ref: cell.ref, epoch: cell.epoch, restarts: cell.restarts })
    actor.start()
    for (const child of cell.spec.children ?? []) {
      if (isLive(cell) && cell.actor === actor) this.spawn(child, cell.ref)
    }
    if (isLive(cell)) this.#hooks.started(cell)
  }

  /** Ends an incarnation whatever the reason: stops what is left of it, tells who must hear, lets the parent judge. */
  #ended(cell: Cell, actor: AnyActor, exit: Exit): void {
    if (!isLive(cell) || cell.actor !== actor) return
    this.#close(cell, exit)
    for (const child of newestFirst(cell)) this.#discard(child)
    if (cell.stopped !== undefined || cell.parent?.stopped !== undefined) this.#discard(cell)
    else this.#judge(cell, exit)
  }

  #close(cell: Cell, exit: Exit): void {
    const { actor } = cell
    cell.phase = 'waiting'
    cell.lastExit = exit
    cell.actor = undefined
    cell.unfollow?.()
    actor?.stop()
    // A machine whose own action throws leaves its invoked actors running (XState 5, `_stopProcedure`).
    const helpers = (actor?.getSnapshot() as { children?: Record<string, AnyActor> } | undefined)?.children ?? {}
    for (const helper of Object.values(helpers)) helper.send({ type: 'xstate.stop' })
    this.#hooks.ended(cell, exit)
    this.#kernel.facts.emit({ kind: 'exited', ref: cell.ref, epoch: cell.epoch, exit })
  }

  #judge(cell: Cell, exit: Exit): void {
    const supervisor = cell.parent ?? cell
    const { verdict, history } = judge({
      policy: supervisor.policy,
      order: cell.parent === undefined ? [cell.spec.id] : [...(cell.parent.children?.keys() ?? [])],
      failed: cell.spec.id,
      restart: cell.spec.restart ?? 'transient',
      exit,
      history: supervisor.history,
      nowMs: this.#kernel.world.monotonicMs(),
      chance: this.#kernel.world.random(),
    })
    supervisor.history = history
    if (verdict.kind === 'forget') this.#discard(cell)
    else if (verdict.kind === 'escalate') this.#escalate(cell, exit, verdict.restarts)
    else this.#restart(cell, verdict.ids, verdict.afterMs)
  }

  #restart(failed: Cell, ids: readonly string[], afterMs: number): void {
    const cells = ids.map((id) => (failed.parent === undefined ? failed : (failed.parent.children?.get(id) as Cell)))
    for (const other of [...cells].reverse()) {
      if (other === failed) continue
      if (other.spec.restart === 'temporary') this.#discard(other)
      else this.#halt(other)
    }
    // A cell that waited already now waits for this restart, so that siblings start in their order.
    const restartOrder = this.#kernel.nextId()
    for (const cell of cells) cell.restartOrder = restartOrder
    this.#kernel.world.setTimeout(() => {
      for (const cell of cells) {
        if (cell.phase !== 'waiting' || cell.restartOrder !== restartOrder || !this.#mayStart(cell)) continue
        cell.restarts++
        this.#kernel.counters.restarts++
        this.#start(cell)
      }
    }, afterMs)
  }

  #mayStart(cell: Cell): boolean {
    if (this.#kernel.cells.get(cell.ref) !== cell || cell.stopped !== undefined) return false
    return cell.parent === undefined || (isLive(cell.parent) && cell.parent.stopped === undefined)
  }

  /** The failure goes up: the supervisor ends as if it had crashed itself, and its own supervisor judges. */
  #escalate(cell: Cell, exit: Exit, restarts: number): void {
    const supervisor = cell.parent
    this.#discard(cell)
    if (supervisor === undefined) {
      this.#kernel.facts.emit({ kind: 'escalated', ref: cell.ref, exit })
      return
    }
    const cause = exit.kind === 'crash' ? `: ${exit.failure.message}` : ''
    const message = `${cell.ref} ended ${restarts + 1} times within ${supervisor.policy.periodMs} ms${cause}`
    if (supervisor.actor !== undefined) {
      this.#ended(supervisor, supervisor.actor, { kind: 'crash', failure: { name: 'RestartIntensityError', message } })
    }
  }

  /** Ends the incarnation but keeps the cell: its address and its waiting messages survive until the restart. */
  #halt(cell: Cell): void {
    for (const child of newestFirst(cell)) this.#discard(child)
    if (isLive(cell)) this.#close(cell, { kind: 'shutdown' })
  }

  /** The end of an address. */
  #discard(cell: Cell): void {
    if (this.#kernel.cells.get(cell.ref) !== cell) return
    this.#halt(cell)
    this.#kernel.cells.delete(cell.ref)
    cell.parent?.children?.delete(cell.spec.id)
    cell.phase = 'gone'
    this.#hooks.gone(cell)
  }

  /**
   * Stops an actor and all below it, in reverse start order, each with its own `shutdownMs`. Resolves when the address
   * is free. Meanwhile nothing may be started directly under it and none of its children is restarted; a subtree whose
   * turn has not come works on as before, because those that stop earlier may still need it.
   */
  stop(ref: Ref): Promise<void> {
    const cell = this.#kernel.cells.get(ref)
    if (cell === undefined) return Promise.resolve()
    cell.stopped ??= this.#stop(cell)
    return cell.stopped
  }

  async #stop(cell: Cell): Promise<void> {
    // Gives `cell.stopped` its value before anything ends, so that no end is judged as a failure.
    await Promise.resolve()
    for (const child of newestFirst(cell)) {
      // If the cell crashed meanwhile, its children are gone, and others may already live at their addresses.
      if (this.#kernel.cells.get(child.ref) === child) await this.stop(child.ref)
    }
    if (cell.phase === 'running' && (cell.spec.shutdownMs ?? 0) > 0) await this.#shutdown(cell)
    this.#discard(cell)
  }

  #shutdown(cell: Cell): Promise<void> {
    cell.phase = 'stopping'
    return new Promise((resolve) => {
      const limit = this.#kernel.world.setTimeout(resolve, cell.spec.shutdownMs as number)
      addWatcher(cell, '$stop', {
        onEnded: () => {
          this.#kernel.world.clearTimeout(limit)
          resolve()
        },
      })
      cell.mailbox.signal({ message: { type: 'shutdown' }, traceId: '', deadlineMs: 0, arrivedMs: 0 })
      this.#hooks.started(cell)
    })
  }
}

/** Observes one incarnation. A class, because closures of its own for every actor weigh more than the rest of it. */
class Ending {
  readonly #cell: Cell
  readonly #actor: AnyActor
  readonly #onEnded: (cell: Cell, actor: AnyActor, exit: Exit) => void

  constructor(cell: Cell, actor: AnyActor, onEnded: (cell: Cell, actor: AnyActor, exit: Exit) => void) {
    this.#cell = cell
    this.#actor = actor
    this.#onEnded = onEnded
  }

  error(error: unknown): void {
    this.#onEnded(this.#cell, this.#actor, { kind: 'crash', failure: failureOf(error) })
  }

  complete(): void {
    const { output } = this.#actor.getSnapshot() as { output?: unknown }
    const isAsked = this.#cell.phase === 'stopping'
    this.#onEnded(this.#cell, this.#actor, isAsked ? { kind: 'shutdown' } : { kind: 'normal', output })
  }
}

/** The world's time as XState wants it. */
function clockOf(world: World) {
  return {
    setTimeout: (run: (...args: unknown[]) => void, delayMs: number) => world.setTimeout(run, delayMs),
    clearTimeout: (id: unknown) => world.clearTimeout(id),
    monotonicMs: () => world.monotonicMs(),
  }
}
