/**
 * A cluster under a script of faults, with its books kept: which watches are open, what was told, what became of it.
 * The script is data, so that fast-check can shrink it; the seed decides everything that the script leaves open.
 */
import fc from 'fast-check'
import type { NodeId, Ref } from '../../protocols/ref.ts'
import type { Fact } from '../../src/runtime/facts.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { healthRef, heartbeat, member, peerRef } from './cluster.ts'
import { SimulatedNetwork, type Tally } from './drill-network.ts'

const nodes: readonly NodeId[] = ['a', 'b', 'c']
const faultsMs = 2000
/** Longer than silence, patience, backoff and the retry of a refused notice together. */
const calmMs = 5000

const atMs = fc.nat(faultsMs)
const node = fc.constantFrom(...nodes)

const kind = <K extends string>(name: K) => ({ kind: fc.constant(name), atMs, node })
const forMs = fc.nat(1500)

/** The common ones often, those that leave less to break later seldom. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ ...kind('watch'), other: node }) },
  { weight: 8, arbitrary: fc.record({ ...kind('heartbeats'), other: node, waitMs: fc.constantFrom(0, 2, 50) }) },
  { weight: 3, arbitrary: fc.record({ ...kind('break'), other: node }) },
  { weight: 2, arbitrary: fc.record({ ...kind('isolate'), forMs }) },
  { weight: 2, arbitrary: fc.record(kind('crashWatched')) },
  { weight: 2, arbitrary: fc.record({ ...kind('crashWatcher'), other: node }) },
  { weight: 2, arbitrary: fc.record({ ...kind('restartNode'), forMs }) },
  { weight: 1, arbitrary: fc.record({ ...kind('unwatch'), other: node }) },
  { weight: 1, arbitrary: fc.record(kind('flood')) },
  { weight: 1, arbitrary: fc.record(kind('stopWatched')) },
  { weight: 1, arbitrary: fc.record({ ...kind('stopWatcher'), other: node }) },
  { weight: 1, arbitrary: fc.record(kind('killNode')) },
)

export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
export const scripts: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 60, size: 'max' })

/** What a drill comes to. */
export interface Report {
  /** Watches that yielded more than one notice, or none in the end. */
  readonly broken: string[]
  /** Notices by the kind of exit that they gave. */
  readonly notices: Record<string, number>
  readonly told: number
  readonly handled: number
  readonly dead: Record<string, number>
  readonly waiting: number
  readonly tally: Tally
  /** Every fact with its time and node. */
  readonly history: string
}

export class Drill {
  readonly #world: SimulatedWorld
  readonly #network: SimulatedNetwork
  readonly #alive = new Map<NodeId, Runtime>()
  readonly #all: Runtime[] = []
  /** Open watches of each runtime that is up, as `watcher > watched`. */
  readonly #open = new Map<Runtime, Set<string>>()
  readonly #broken: string[] = []
  readonly #notices: Record<string, number> = {}
  readonly #dead: Record<string, number> = {}
  readonly #history: string[] = []
  #told = 0
  #handled = 0

  constructor(seed: number) {
    this.#world = new SimulatedWorld(seed)
    const faults = { maxDelayMs: 20, duplication: 0.05, reordering: 0.1, breaks: 0.02 }
    this.#network = new SimulatedNetwork(this.#world, faults)
    for (const name of nodes) this.#start(name)
  }

  /** Runs the script, heals everything, ends every watched actor and reports. */
  async run(script: readonly Step[]): Promise<Report> {
    await this.#world.run(100)
    for (const each of script) this.#world.setTimeout(() => this.#do(each), each.atMs)
    await this.#world.run(2 * faultsMs)
    this.#network.faults = { ...this.#network.faults, duplication: 0, reordering: 0, breaks: 0 }
    this.#network.heal()
    await this.#world.run(calmMs)
    for (const name of nodes) this.#tell(name, healthRef(name), { type: 'die' })
    await this.#world.run(calmMs)
    for (const open of this.#open.values()) for (const watch of open) this.#broken.push(`no notice: ${watch}`)
    return this.#report()
  }

  #report(): Report {
    const mailboxes = this.#all.flatMap((runtime) => runtime.census())
    return {
      broken: this.#broken,
      notices: this.#notices,
      told: this.#told,
      handled: this.#handled,
      dead: this.#dead,
      waiting: mailboxes.reduce((sum, actor) => sum + actor.waiting, 0),
      tally: this.#network.tally,
      history: this.#history.join('\n'),
    }
  }

  #start(name: NodeId): void {
    const peers = nodes.filter((peer) => peer !== name)
    const { runtime } = member(name, this.#world, peers)
    this.#alive.set(name, runtime)
    this.#all.push(runtime)
    this.#open.set(runtime, new Set())
    const kinds = ['started', 'exited', 'handled', 'deadLetter', 'rejected', 'escalated'] as const
    runtime.facts.observe(kinds, (fact) => this.#note(runtime, fact))
    this.#network.join(runtime)
  }

  #note(runtime: Runtime, fact: Fact): void {
    this.#history.push(`${this.#world.monotonicMs()} ${runtime.node} ${JSON.stringify(fact)}`)
    if (fact.kind === 'deadLetter') this.#dead[fact.why] = (this.#dead[fact.why] ?? 0) + 1
    if (fact.kind === 'rejected') this.#broken.push(`rejected: ${fact.failure.message}`)
    if (fact.kind === 'exited') this.#close(runtime, fact.ref)
    if (fact.kind !== 'handled') return
    if (fact.message.type !== 'actor.down') this.#handled++
    else this.#noteDown(runtime, fact.ref, fact.message as unknown as { ref: Ref; exit: { kind: string } })
  }

  #noteDown(
    runtime: Runtime,
    watcher: Ref,
    down: { readonly ref: Ref; readonly exit: { readonly kind: string } },
  ): void {
    this.#notices[down.exit.kind] = (this.#notices[down.exit.kind] ?? 0) + 1
    const open = this.#open.get(runtime)
    const watch = `${watcher} > ${down.ref}`
    if (open !== undefined && !open.delete(watch)) this.#broken.push(`a notice too many: ${watch}`)
  }

  /** The watches of an incarnation that ended are over. */
  #close(runtime: Runtime, watcher: Ref): void {
    const open = this.#open.get(runtime)
    for (const watch of open ?? []) if (watch.startsWith(`${watcher} > `)) open?.delete(watch)
  }

  #tell(name: NodeId, to: Ref, message: { type: string; [key: string]: unknown }, waitMs = 0): void {
    const runtime = this.#alive.get(name)
    if (runtime === undefined) return
    this.#told++
    runtime.tell(to, message, waitMs === 0 ? {} : { deadlineMs: this.#world.monotonicMs() + waitMs })
  }

  #do(each: Step): void {
    if ('other' in each && each.other === each.node) return
    const { kind, node: name } = each
    if (kind === 'watch' || kind === 'unwatch') this.#order(name, each.other, kind)
    else if (kind === 'heartbeats') this.#talk(name, each.other, each.waitMs)
    else if (kind === 'flood') for (let i = 0; i < 40; i++) this.#tell(name, healthRef(name), { type: 'noise' })
    else if (kind === 'crashWatched') this.#tell(name, healthRef(name), { type: 'die' })
    else if (kind === 'crashWatcher') this.#crashWatcher(name, peerRef(name, each.other))
    else if (kind === 'stopWatched') this.#alive.get(name)?.stop(healthRef(name))
    else if (kind === 'stopWatcher') this.#alive.get(name)?.stop(peerRef(name, each.other))
    else if (kind === 'restartNode') this.#restart(name, each.forMs)
    else if (kind === 'killNode') this.#kill(name)
    else if (kind === 'break') this.#network.break(name, each.other)
    else this.#isolate(name, each.forMs)
  }

  #talk(name: NodeId, other: NodeId, waitMs: number): void {
    for (let n = 0; n < 20; n++) this.#tell(name, peerRef(other, name), heartbeat(n), waitMs)
  }

  /** What is told meanwhile waits for the restart, longer than it is worth. */
  #crashWatcher(name: NodeId, watcher: Ref): void {
    this.#tell(name, watcher, { type: 'die' })
    this.#world.setTimeout(() => this.#tell(name, watcher, { type: 'urgent' }, 2), 2)
  }

  #order(name: NodeId, other: NodeId, kind: 'watch' | 'unwatch'): void {
    const runtime = this.#alive.get(name)
    const watcher = peerRef(name, other)
    this.#tell(name, watcher, {
      type: 'do',
      run: (door: Record<'watch' | 'unwatch', (ref: Ref) => void>) => {
        const open = runtime && this.#open.get(runtime)
        if (kind === 'watch') open?.add(`${watcher} > ${healthRef(other)}`)
        else open?.delete(`${watcher} > ${healthRef(other)}`)
        door[kind](healthRef(other))
      },
    })
  }

  /** The process dies; what it told is still accounted for, what it watched is nobody's any more. */
  #kill(name: NodeId): boolean {
    const runtime = this.#alive.get(name)
    if (runtime === undefined) return false
    this.#alive.delete(name)
    this.#open.delete(runtime)
    this.#network.crash(name)
    return true
  }

  #restart(name: NodeId, forMs: number): void {
    if (this.#kill(name)) this.#world.setTimeout(() => this.#start(name), forMs)
  }

  #isolate(name: NodeId, forMs: number): void {
    const others = nodes.filter((other) => other !== name)
    this.#network.partition([name], others)
    this.#world.setTimeout(() => this.#network.heal(), forMs)
  }
}
