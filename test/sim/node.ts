/**
 * One node of the simulation: the very composition of a real one (`src/provisions.ts`) around a simulated host, disk and
 * engine, with a listener that is nothing but a state. An instance is one life of the process.
 */
import type { Logger } from 'pino'
import type { ListenerEvent } from '../../actors/ollama-api.ts'
import type { TaskJournal } from '../../actors/task-journal.ts'
import { type TreeInit, tree } from '../../actors/tree.ts'
import type { Message, NodeId } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config.ts'
import { leave } from '../../src/ending.ts'
import type { Driver } from '../../src/engine/driver.ts'
import { SimDriver } from '../../src/engine/sim.ts'
import type { SimFaults } from '../../src/engine/sim-faults.ts'
import { Cluster } from '../../src/http/cluster.ts'
import { Responses } from '../../src/http/responses.ts'
import type { Host } from '../../src/net/host.ts'
import { provisions } from '../../src/provisions.ts'
import type { Carrier } from '../../src/runtime/carrier.ts'
import type { Spec } from '../../src/runtime/cell.ts'
import { fromCallback, fromTransition } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { lookAtAttempts } from './attempts.ts'
import type { Disk } from './disk.ts'
import { isHealthProbe } from './frames.ts'
import { addressOf, SimulatedHost } from './host.ts'
import { hooked, lookInto } from './incarnations.ts'
import { replaceMethods } from './methods.ts'
import type { SimulatedNetwork } from './network.ts'
import { NodeWorld } from './node-world.ts'
import type { OnSighting } from './sighting.ts'

export interface Speed {
  readonly tokensPerSecond?: number
  readonly prefillTokensPerSecond?: number
  readonly loadMs?: number
}

/** Each gives a part of a node back as it is to be. */
export interface Alterations {
  readonly tree?: (init: TreeInit) => TreeInit
  readonly spec?: (spec: Spec) => Spec
  readonly host?: (host: SimulatedHost) => Host
  readonly journal?: (journal: TaskJournal) => TaskJournal
}

export interface SimulatedNodeInit {
  readonly network: SimulatedNetwork
  readonly node: NodeId
  readonly disk: Disk
  /** Whom to join. */
  readonly join: readonly NodeId[]
  /** How many lives of this node there were before. */
  readonly life: number
  /** What the host's wall clock is off by. */
  readonly wallOffsetMs: number
  readonly speed?: Speed
  /** Sees the open responses before anybody opens one. */
  readonly onResponses?: (responses: Responses) => void
  /** Sees the runtime before anything runs on it. */
  readonly onRuntime?: (runtime: Runtime) => void
  readonly onWarning?: (text: string) => void
  /** Hears what no fact tells; see `sighting.ts`. */
  readonly onSighting?: OnSighting
  /** What a planted bug makes of the node's parts; see `planted.test.ts`. */
  readonly alter?: Alterations
  /** Puts somebody between the node and its engines. */
  readonly watchDriver?: (driver: Driver, world: NodeWorld) => Driver
}

/** Small enough that queues, refusals and evictions happen. */
const flags = { slots: 2, maxQueue: 8, maxLoaded: 1, contextTokens: 256, threads: 1 }
const capacity = { cpus: 2, memoryBytes: 1_000_000 }

const noFile = (): string => {
  throw new Error('there is no file')
}

const settings: Config = loadConfig({
  flags,
  env: {},
  readFile: noFile,
  host: { homeFolder: '/', name: 'simulated', addresses: [] },
})

/** Faults that the engine shows while they last; the driver reads them when it loads and when it steps. */
type MutableFaults = { -readonly [Key in keyof SimFaults]: SimFaults[Key] }

/** A pure supervisor takes any message; this one looks at it, so that one that bites ends it, as a defect would. */
const mortalSupervisor = fromTransition((state: null, { type }: Message) => (type === undefined ? state : null), null)

const supervisors: ReadonlySet<string> = new Set(['peers', 'joiners', 'engines', 'tasks', 'transfers'])

function withMortalSupervisors(spec: Spec): Spec {
  const children = spec.children ?? []
  return {
    ...spec,
    children: children.map((child) => (supervisors.has(child.id) ? { ...child, logic: mortalSupervisor } : child)),
  }
}

/** Tells of each frame that the runtime gives to its carrier, whichever that is. */
function lookAtCarrier(runtime: Runtime, onSighting: OnSighting): void {
  const connect = runtime.connect.bind(runtime)
  const lookedAt = (carrier: Carrier): Carrier => ({
    send: (to, frame) => {
      const isTaken = carrier.send(to, frame)
      onSighting({ kind: 'sent', to, bytes: frame.length, isTaken })
      return isTaken
    },
  })
  replaceMethods(runtime, {
    connect: (carrier) => connect(carrier === undefined ? undefined : lookedAt(carrier)),
  })
}

function noRegistry(): never {
  throw new Error('a simulated node reaches no registry')
}

export class SimulatedNode {
  readonly node: NodeId
  readonly init: SimulatedNodeInit
  readonly world: NodeWorld
  readonly runtime: Runtime
  readonly responses = new Responses()
  readonly cluster: Cluster
  readonly engineFaults: MutableFaults = {}
  host: SimulatedHost | undefined
  /** Its health checks go unanswered, as where that one actor hangs. */
  unwell = false
  /** How often the listener was bound. */
  bound = 0
  leaving = false

  constructor(init: SimulatedNodeInit) {
    this.init = init
    this.node = init.node
    this.world = new NodeWorld(init.network.world, `${init.node} ${init.life}`)
    this.world.wallOffsetMs = init.wallOffsetMs
    this.runtime = new Runtime(init.node, this.world, init.disk.beginLife(this.world.wallMs()))
    this.cluster = this.clusterOf(() => {})
    init.onRuntime?.(this.runtime)
    init.onResponses?.(this.responses)
    const receive = this.runtime.receive.bind(this.runtime)
    replaceMethods(this.runtime, {
      receive: (from, frame) => {
        if (!this.unwell || !isHealthProbe(frame)) receive(from, frame)
      },
    })
    const spec = withMortalSupervisors(this.#tree())
    this.runtime.spawn(spec)
  }

  #tree(): Spec {
    const { alter = {}, onSighting } = this.init
    const given = this.#provisions()
    const altered = alter.tree?.(given) ?? given
    if (onSighting === undefined) return tree(altered)
    const spawn = this.runtime.spawn.bind(this.runtime)
    const lookedInto = hooked(lookInto(onSighting))
    replaceMethods(this.runtime, { spawn: (spec, under) => spawn(lookedInto(alter.spec?.(spec) ?? spec), under) })
    lookAtCarrier(this.runtime, onSighting)
    return tree(lookAtAttempts(altered, this.responses, onSighting))
  }

  #provisions() {
    const {
      network,
      node,
      disk,
      join,
      speed,
      onWarning,
      watchDriver = (driver: Driver) => driver,
      alter = {},
    } = this.init
    const { world, runtime, responses } = this
    const warn = (_: unknown, text: string): void => onWarning?.(text)
    const journal = disk.journal.open(world)
    const events = { record: (): void => {} }
    return provisions({
      config: { ...settings, name: `host-${node}`, join: join.map(addressOf) },
      log: { warn, info: warn, error: warn, debug: warn } as unknown as Logger,
      runtime,
      catalog: disk.catalog(world),
      openFile: async () => undefined,
      history: events,
      journal: alter.journal?.(journal) ?? journal,
      responses,
      stepsOf: noRegistry,
      startedMs: world.monotonicMs(),
      driver: watchDriver(
        new SimDriver({
          ...speed,
          clock: world,
          random: () => world.random(),
          wallMs: () => world.wallMs(),
          faults: this.engineFaults,
        }),
        world,
      ),
      capacity,
      host: {
        open: async (handlers) => {
          this.host = await SimulatedHost.open(network, world, node, handlers)
          return alter.host?.(this.host) ?? this.host
        },
        onHost: () => {},
        onFailed: () => {},
      },
      listener: this.#listener(),
    })
  }

  #listener() {
    return fromCallback<{ type: 'drain' }>(({ sendBack, receive }) => {
      this.bound++
      const send = (event: ListenerEvent): void => sendBack(event as never)
      send({ type: 'listener.open', api: `${this.node}:11434` })
      receive(() => send({ type: 'listener.drained' }))
    })
  }

  ref(path: string): string {
    return refOf(this.node, `node/${path}`)
  }

  tell(path: string, message: Message): void {
    this.runtime.tell(this.ref(path), message)
  }

  /** The cluster as one client has it, which tells the id of each response that it opens: asked again, it opens another. */
  clusterOf(onOpened: (id: string) => void): Cluster {
    const { runtime, responses } = this
    const noting: Pick<Responses, 'open' | 'forget'> = {
      open: (id, onGone) => {
        onOpened(id)
        return responses.open(id, onGone)
      },
      forget: (id) => responses.forget(id),
    }
    return new Cluster({ runtime, responses: noting, problemOf: () => undefined })
  }

  /** Leaves as on SIGTERM; resolves when nothing runs any more. */
  async leave(drainMs: number): Promise<void> {
    this.leaving = true
    await leave(this.runtime, drainMs)
  }
}
