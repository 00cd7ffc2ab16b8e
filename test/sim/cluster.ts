/** All nodes of one run, over their lives: starts them, kills them, and lets observers see everything. */
import type { NodeId } from '../../protocols/ref.ts'
import type { Fact, FactKind } from '../../src/runtime/facts.ts'
import type { WaitingMessages } from '../../src/runtime/feed.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { digestA, digestB, digestC, held } from '../actors/support/reports.ts'
import { Client } from './client.ts'
import { Disk } from './disk.ts'
import { Executions } from './executions.ts'
import { SimulatedNetwork } from './network.ts'
import { SimulatedNode, type SimulatedNodeInit } from './node.ts'
import type { Command } from './script.ts'
import type { Sighting } from './sighting.ts'
import { SimulatedWorld } from './world.ts'

export const models = {
  m: held('m:latest', digestA),
  n: held('n:latest', digestB),
  /** A newer version under the name of `m`. */
  m2: held('m:latest', digestC, { modifiedAtMs: 2 }),
}

/** What a supervisor of processes waits before it starts one again that ended by itself. */
const serviceRestartMs = 1000

const factKinds: readonly FactKind[] = ['started', 'exited', 'handled', 'deadLetter', 'rejected', 'escalated']

/** A machine: what stays while processes come and go. */
export interface Place {
  readonly node: NodeId
  readonly disk: Disk
  /** The process that runs there; undefined: none. */
  life: SimulatedNode | undefined
  lives: number
  wallOffsetMs: number
}

/** The mailboxes of a node that lives, at one moment: those that are not empty. */
export interface Mailboxes {
  readonly life: SimulatedNode
  readonly mailboxes: readonly WaitingMessages[]
}

export interface Observer {
  onFact?(node: SimulatedNode, fact: Fact): void
  onSighting?(node: NodeId, sighting: Sighting): void
  onClient?(client: Client): void
  onLife?(place: Place, what: 'started' | 'died'): void
}

/** What a planted bug may change of a node before it runs. */
export type Sabotage = (node: NodeId, init: SimulatedNodeInit) => SimulatedNodeInit

export class SimulatedCluster {
  readonly world: SimulatedWorld
  readonly network: SimulatedNetwork
  readonly executions = new Executions()
  readonly places = new Map<NodeId, Place>()
  readonly clients: Client[] = []
  readonly #names: readonly NodeId[]
  readonly #observers: readonly Observer[]
  readonly #sabotage: Sabotage

  constructor(
    seed: number,
    names: readonly NodeId[],
    observers: readonly Observer[],
    sabotage: Sabotage = (_, init) => init,
  ) {
    this.world = new SimulatedWorld(seed)
    this.network = new SimulatedNetwork(this.world)
    this.#names = names
    this.#observers = observers
    this.#sabotage = sabotage
    for (const [index, node] of names.entries()) {
      const disk = new Disk()
      if (index < 3) disk.add(models.m)
      if (index === 1 || index === 3) disk.add(models.n)
      this.places.set(node, { node, disk, life: undefined, lives: 0, wallOffsetMs: index * 137 - 300 })
    }
  }

  place(node: NodeId): Place {
    return this.places.get(node) as Place
  }

  live(): SimulatedNode[] {
    return [...this.places.values()].flatMap(({ life }) => (life === undefined ? [] : [life]))
  }

  mailboxes(): Mailboxes[] {
    return this.live().map((life) => ({ life, mailboxes: life.runtime.feed.waiting() }))
  }

  start(node: NodeId): void {
    const place = this.place(node)
    if (place.life !== undefined) return
    const life = place.lives++
    const init: SimulatedNodeInit = {
      network: this.network,
      node,
      disk: place.disk,
      join: this.#names.filter((other) => other !== node),
      life,
      wallOffsetMs: place.wallOffsetMs,
      speed: { tokensPerSecond: 40, loadMs: 120, prefillTokensPerSecond: 400 },
      watchDriver: (driver, world) => this.executions.watched(driver, node, world),
      onRuntime: (runtime) => this.#observe(place, runtime),
      onSighting: (sighting) => {
        for (const observer of this.#observers) observer.onSighting?.(node, sighting)
      },
    }
    place.life = new SimulatedNode(this.#sabotage(node, init))
    for (const observer of this.#observers) observer.onLife?.(place, 'started')
  }

  #observe(place: Place, runtime: Runtime): void {
    runtime.facts.observe(factKinds, (fact) => {
      const { life } = place
      // The first facts come while the node is being built: they are about nobody else.
      if (life !== undefined && life.runtime !== runtime) return
      for (const observer of this.#observers)
        observer.onFact?.(life ?? ({ node: place.node, runtime } as SimulatedNode), fact)
      if (fact.kind === 'escalated') this.#exit(place, runtime)
    })
  }

  /** The process ends by itself, and whoever watches processes starts it again. */
  #exit(place: Place, runtime: Runtime): void {
    this.world.setTimeout(() => {
      if (place.life?.runtime !== runtime) return
      this.crash(place.node, false)
      this.world.setTimeout(() => this.start(place.node), serviceRestartMs)
    }, 0)
  }

  /** From one event to the next, nothing of the process runs any more. */
  crash(node: NodeId, wholeHost: boolean): void {
    const place = this.place(node)
    const { life } = place
    if (life === undefined) return
    for (const observer of this.#observers) observer.onLife?.(place, 'died')
    this.network.crash(node, wholeHost)
    life.world.kill()
    place.wallOffsetMs = life.world.wallOffsetMs
    place.life = undefined
    this.executions.died(node)
    for (const client of this.clients) if (client.node === life) client.cutOff((ended) => this.#ended(ended))
  }

  request(asked: Extract<Command, { kind: 'request' }>): Client | undefined {
    const { life } = this.place(asked.node)
    if (life === undefined) return undefined
    const client = new Client(life, asked)
    this.clients.push(client)
    // It reaches the process when that reads.
    life.world.deliver(() => void client.run((ended) => this.#ended(ended)))
    return client
  }

  #ended(client: Client): void {
    for (const observer of this.#observers) observer.onClient?.(client)
  }
}
