/**
 * A whole node on a simulated world: the tree of `actors/tree.ts` with every machine of it. The stand-ins are at the
 * outermost seams: the network is a simulated one, the disk a list, the listener nothing but a state, and the engine the
 * simulated driver on the world's clock.
 */

import { courierMachine, TransferBoards } from '../../../actors/courier.ts'
import { engineMachine } from '../../../actors/engine.ts'
import { healthMachine } from '../../../actors/health.ts'
import { type HealthResult, healthCheckMachine } from '../../../actors/health-check.ts'
import { inspectorMachine } from '../../../actors/inspector.ts'
import { joinerMachine } from '../../../actors/joiner.ts'
import { membershipMachine } from '../../../actors/membership.ts'
import { type ChangeRequest, modelsMachine, type ShowRequest } from '../../../actors/models.ts'
import { type NetworkEvent, networkMachine } from '../../../actors/network.ts'
import { type ListenerEvent, ollamaApiMachine } from '../../../actors/ollama-api.ts'
import { peerMachine } from '../../../actors/peer.ts'
import { leastConnections, maxWaitingFor } from '../../../actors/placement.ts'
import { proberMachine } from '../../../actors/prober.ts'
import { reporterMachine } from '../../../actors/reporter.ts'
import { schedulerMachine } from '../../../actors/scheduler.ts'
import { taskMachine } from '../../../actors/task.ts'
import { recordEnds } from '../../../actors/task-journal.ts'
import { transferMachine } from '../../../actors/transfer.ts'
import { joinerPath, type TreeInit, tree } from '../../../actors/tree.ts'
import type { ClusterView } from '../../../actors/view.ts'
import { type AcquireRefusal, workerMachine } from '../../../actors/worker.ts'
import type { InferFrame, InferRequest, InferStream } from '../../../protocols/infer.ts'
import type { Message, NodeId } from '../../../protocols/ref.ts'
import { refOf } from '../../../protocols/ref.ts'
import type { HeldModel, NodeReport } from '../../../protocols/report.ts'
import { decodeReport, encodeReport } from '../../../protocols/report-codec.ts'
import { Engines } from '../../../src/engine/engines.ts'
import { createServe, type Serve } from '../../../src/engine/serve.ts'
import { SimDriver, type SimOptions } from '../../../src/engine/sim.ts'
import { unloadLogic } from '../../../src/engine/unload-logic.ts'
import { Responses } from '../../../src/http/responses.ts'
import { attemptLogic } from '../../../src/net/attempt.ts'
import type { Spec } from '../../../src/runtime/cell.ts'
import { here } from '../../../src/runtime/here.ts'
import { fromCallback, fromPromise, fromTransition } from '../../../src/runtime/logic.ts'
import { Runtime } from '../../../src/runtime/runtime.ts'
import { outcome } from '../../runtime/kit.ts'
import type { Lan } from './lan.ts'
import { MemoryJournal } from './memory-journal.ts'
import { reportOf } from './reports.ts'

const settings = { threads: 1, slots: 2, maxWaiting: maxWaitingFor(2), contextTokens: 256, prefillTokens: 64 }

export interface SiteInit {
  readonly join?: readonly NodeId[]
  readonly models?: readonly HeldModel[]
  readonly sim?: SimOptions
  /** Default: by the world's clock. */
  readonly life?: number
  /** Default: one that remembers everything. */
  readonly journal?: MemoryJournal
}

/** One request as its client sees it. */
export interface Request {
  readonly id: string
  readonly frames: InferFrame[]
  /** Why it was not admitted. */
  refused: unknown
  ended: boolean
}

/** A site that was started anew under the same name must not be served by the old one's network. */
const serving = new WeakMap<Lan, Map<NodeId, Serve>>()

export class Site {
  readonly node: NodeId
  readonly runtime: Runtime
  readonly responses = new Responses()
  readonly journal: MemoryJournal
  /** What is on the disk. */
  models: readonly HeldModel[]
  /** What the health checks of this node found. */
  readonly checks: HealthResult[] = []
  /** How often the listener was bound. */
  bound = 0
  readonly #lan: Lan
  readonly #engines: Engines
  readonly #init: SiteInit
  readonly #startedMs: number
  #closeHost: () => void = () => {}
  #lastId = 0

  constructor(lan: Lan, node: NodeId, init: SiteInit = {}) {
    this.#lan = lan
    this.node = node
    this.#init = init
    this.models = init.models ?? []
    this.journal = init.journal ?? new MemoryJournal()
    this.runtime = new Runtime(node, lan.world, init.life)
    this.#startedMs = lan.world.monotonicMs()
    const { world } = lan
    this.#engines = new Engines({
      driver: new SimDriver({ clock: world, ...init.sim }),
      settings,
      find: async (digest) => {
        const held = this.models.find((model) => model.digest === digest)
        if (held === undefined) return undefined
        return { digest, name: held.name, path: '', sizeBytes: held.sizeBytes, parameters: {} }
      },
    })
    recordEnds(this.runtime, this.journal, (id, frame) => this.responses.end(id, frame))
    this.runtime.spawn(this.#tree())
  }

  #tree(): Spec {
    const serve = createServe({
      engines: this.#engines,
      clock: this.#lan.world,
      tell: (to, message) => void this.runtime.tell(to, message),
      acquire: (digest, request) => this.#acquire(digest, request),
    })
    const known = serving.get(this.#lan) ?? new Map<NodeId, Serve>()
    serving.set(this.#lan, known.set(this.node, serve.foreign))
    return withMortalSupervisors(tree({ ...this.#cluster(), ...this.#compute(serve.own), ...this.#surface() }))
  }

  /** What finds the others and speaks to them. */
  #cluster(): Pick<TreeInit, 'reporter' | 'network' | 'membership' | 'prober' | 'joiner' | 'joinAddresses'> {
    const { node, runtime } = this
    const lan = this.#lan
    const join = this.#init.join ?? []
    let published: NodeReport | undefined
    const publish = (report: NodeReport): void => {
      lan.gossip(node, encodeReport(report, published))
      published = report
    }
    const dial = fromPromise<void, { node: NodeId; addresses: readonly string[] }>(async ({ input }) => {
      if (!lan.connected(node, input.node)) await lan.dial(node, input.addresses)
    })
    const dialAddress = fromPromise<NodeId, { address: string }>(({ input }) => lan.dial(node, [input.address]))
    const peer = peerMachine.provide({
      actors: { dial },
      actions: {
        declareDown: (_, { node: other }) => runtime.nodeDown(other),
        hangUp: (_, { node: other }) => lan.hangUp(node, other),
      },
    })
    const record = (_: unknown, result: HealthResult): void => void this.checks.push(result)
    return {
      reporter: {
        logic: reporterMachine.provide({ actions: { publish: (_, report) => publish(report) } }),
        input: { report: reportOf(node, { version: runtime.nextId() }) },
      },
      network: { logic: networkMachine.provide({ actors: { host: this.#host() } }) },
      membership: {
        logic: membershipMachine,
        input: {
          node,
          boot: runtime.life,
          nextIncarnation: () => runtime.nextId(),
          peer,
          healthCheck: healthCheckMachine.provide({ actions: { record } }),
          joiners: join.map((_, index) => refOf(node, joinerPath(index))),
        },
      },
      prober: proberMachine,
      joiner: joinerMachine.provide({ actors: { dialAddress } }),
      joinAddresses: join.map((other) => `/lan/${other}`),
    }
  }

  #host() {
    return fromCallback<NetworkEvent>(({ sendBack, system }) => {
      const lan = this.#lan
      const { runtime, node } = this
      const send = (event: NetworkEvent): void => sendBack(event as never)
      const { tell, local } = here(system)
      this.#closeHost = lan.open(node, {
        onConnected: (other) => {
          runtime.linkUp(other)
          send({ type: 'link.up', node: other })
        },
        onDisconnected: (other) => send({ type: 'link.down', node: other }),
        onFrame: (from, frame) => runtime.receive(from, frame),
        onReport: (from, bytes) =>
          void tell(local('node/membership'), { type: 'report.gossiped', from, report: decodeReport(bytes) }),
      })
      runtime.connect({ send: (to, frame) => lan.send(node, to, frame) })
      send({ type: 'host.open', addresses: [`/lan/${node}`] })
      return () => {
        runtime.connect(undefined)
        this.#closeHost()
      }
    })
  }

  /** What computes. */
  #compute(own: Serve): Pick<TreeInit, 'models' | 'worker' | 'health' | 'scheduler'> {
    const { node, runtime } = this
    const engines = this.#engines
    const show = fromPromise<void, ShowRequest>(async ({ input, system }) => {
      here(system).tell(input.replyTo, { type: 'models.shown', piece: `{"name":"${input.name}"}`, totalLength: 0 })
    })
    const change = fromPromise<void, ChangeRequest>(async ({ input, system }) => {
      const name = input.type === 'models.delete' ? input.name : input.source
      const found = this.models.some((model) => model.name === name)
      if (input.type === 'models.delete') this.models = this.models.filter((model) => model.name !== name)
      here(system).tell(input.replyTo, { type: 'models.changed', found, problem: null })
    })
    const attempt = attemptLogic({
      open: (to, request) => (to === node ? own(request) : this.#open(to, request)),
      sinkOf: (id) => this.responses.get(id),
      onLoad: (from, digest, load) => {
        runtime.tell(refOf(node, 'node/scheduler'), { type: 'load.heard', node: from, digest, load })
      },
    })
    const task = taskMachine.provide({
      actors: { attempt },
      actions: { respond: (_, { id, frame }) => this.responses.end(id, frame) },
    })
    const loadOf = (digest: string) => engines.loadOf(digest)
    return {
      models: {
        logic: modelsMachine.provide({ actors: { scan: fromPromise(async () => this.models) } }),
        input: { show, change },
      },
      worker: {
        logic: workerMachine,
        input: {
          engine: engineMachine.provide({ actors: { process: engines.process() } }),
          maxLoaded: 2,
          keepAliveMs: 60_000,
          loadOf,
          suits: (digest, options) => engines.suits(digest, options),
          unloadShared: unloadLogic(engines),
        },
      },
      health: {
        logic: healthMachine,
        input: { activeTasks: () => engines.activeTasks, startedMs: this.#startedMs },
      },
      scheduler: {
        logic: schedulerMachine,
        input: { node, strategy: leastConnections, loadOf, maxQueue: 16, task, journal: this.journal },
      },
    }
  }

  #surface(): Pick<TreeInit, 'courier' | 'ollamaApi' | 'inspector'> {
    const { runtime, node } = this
    const listener = fromCallback<{ type: 'drain' }>(({ sendBack, receive }) => {
      this.bound++
      const send = (event: ListenerEvent): void => sendBack(event as never)
      send({ type: 'listener.open', api: `${node}:11434` })
      receive(() => send({ type: 'listener.drained' }))
    })
    return {
      courier: {
        logic: courierMachine,
        input: { transfer: transferMachine, stepsOf: noRegistry, boards: new TransferBoards(this.runtime) },
      },
      ollamaApi: { logic: ollamaApiMachine.provide({ actors: { listener } }) },
      inspector: {
        logic: inspectorMachine,
        input: {
          feed: runtime.feed,
          follow: (path, onTransition) =>
            runtime.has(refOf(node, path)) ? runtime.follow(refOf(node, path), onTransition) : undefined,
        },
      },
    }
  }

  async #acquire(digest: string, { keepAliveMs, options }: InferRequest): Promise<AcquireRefusal | undefined> {
    const message = { type: 'worker.acquire', digest, options, ...(keepAliveMs === undefined ? {} : { keepAliveMs }) }
    try {
      const answer = await this.runtime.ask(this.ref('worker'), message, 300_000)
      return answer.type === 'worker.refused' ? (answer as unknown as AcquireRefusal) : undefined
    } catch (error) {
      return { type: 'worker.refused', code: 'busy', message: (error as Error).message }
    }
  }

  /** What the other node's infer server would do; frames take no time. */
  #open(to: NodeId, request: InferRequest): InferStream {
    const serve = this.#lan.connected(this.node, to) ? serving.get(this.#lan)?.get(to) : undefined
    return serve === undefined ? linkLost() : serve(request)
  }

  ref(path: string): string {
    return refOf(this.node, `node/${path}`)
  }

  tell(path: string, message: Message): void {
    this.runtime.tell(this.ref(path), message)
  }

  ask(path: string, message: Message): { value?: Message; reason?: unknown } {
    return outcome(this.runtime.ask(this.ref(path), message, 5000))
  }

  stateOf(path: string): string | undefined {
    return this.runtime.census().find((actor) => actor.path === `node/${path}`)?.state
  }

  async view(): Promise<ClusterView> {
    const answer = this.ask('membership', { type: 'view.get' })
    await this.#lan.world.run(2)
    return answer.value?.view as ClusterView
  }

  /** The others as this node sees them. */
  async peers(): Promise<Record<NodeId, string>> {
    const rows = [...(await this.view()).values()].filter(({ state }) => state !== 'self')
    return Object.fromEntries(rows.map(({ node, state }): [NodeId, string] => [node, state]))
  }

  /** Asks for an answer of a few words, and keeps what the client is given while the world runs. */
  submit(model = 'm', words = 3): Request {
    const id = `${this.node}-${++this.#lastId}`
    const request: Request = { id, frames: [], refused: undefined, ended: false }
    const response = this.responses.open(id, () => {})
    const work = { kind: 'generate', prompt: 'a b c', raw: true }
    const options = { num_predict: words }
    const task = { id, traceId: id, model, work, options, priority: 0, limitMs: 60_000 }
    const read = async (): Promise<void> => {
      for await (const batch of response) request.frames.push(...batch)
      request.ended = true
    }
    const refuse = (reason: unknown): void => {
      this.responses.forget(id)
      request.refused = reason
    }
    this.runtime.ask(this.ref('scheduler'), { type: 'task.submit', task }, 5000).then(
      (answer) => (answer.type === 'task.accepted' ? void read() : refuse(answer.code)),
      (error: { reason: unknown }) => refuse(error.reason),
    )
    return request
  }

  /** The same, with the time that it takes. */
  async generate(model = 'm'): Promise<Request> {
    const request = this.submit(model)
    await this.#lan.world.run(200)
    return request
  }

  /** The process is gone from one moment to the next. */
  kill(): void {
    this.runtime.connect(undefined)
    this.#closeHost()
    serving.get(this.#lan)?.delete(this.node)
  }
}

async function* linkLost(): AsyncGenerator<readonly InferFrame[]> {
  yield [{ kind: 'failed', code: 'link-lost', message: 'no connection' }]
}

/** A pure supervisor takes any message; this one dies when told, so that a test can see what its end does. */
const mortalSupervisor = fromTransition((state: null, event: Message) => {
  if (event.type === 'die') throw new Error('died as told')
  return state
}, null)

function noRegistry(): never {
  throw new Error('a simulated site reaches no registry')
}

function withMortalSupervisors(spec: Spec): Spec {
  const supervisors = ['peers', 'joiners', 'engines', 'tasks', 'transfers']
  const children = spec.children?.map((child) =>
    supervisors.includes(child.id) ? { ...child, logic: mortalSupervisor } : child,
  )
  return { ...spec, children: children ?? [] }
}
