/** Gives the machines what they need from outside, once per node: `provide` re-reads a machine, so never per actor. */
import type { Logger } from 'pino'
import { type CourierInput, courierMachine, TransferBoards } from '../actors/courier.ts'
import { engineMachine } from '../actors/engine.ts'
import { healthMachine } from '../actors/health.ts'
import { healthCheckMachine } from '../actors/health-check.ts'
import { type InspectorInput, inspectorMachine } from '../actors/inspector.ts'
import { joinerMachine } from '../actors/joiner.ts'
import { membershipMachine } from '../actors/membership.ts'
import type { ModelCatalog } from '../actors/model-catalog.ts'
import { modelsMachine } from '../actors/models.ts'
import { networkMachine } from '../actors/network.ts'
import { ollamaApiMachine } from '../actors/ollama-api.ts'
import { peerMachine } from '../actors/peer.ts'
import { leastConnections, maxWaitingFor } from '../actors/placement.ts'
import { proberMachine } from '../actors/prober.ts'
import { reporterMachine } from '../actors/reporter.ts'
import { schedulerMachine } from '../actors/scheduler.ts'
import { taskMachine } from '../actors/task.ts'
import { recordEnds, type TaskJournal } from '../actors/task-journal.ts'
import { transferMachine } from '../actors/transfer.ts'
import { joinerPath, type TreeInit } from '../actors/tree.ts'
import { type AcquireRefusal, workerMachine } from '../actors/worker.ts'
import type { InferFrame, InferRequest, InferStream } from '../protocols/infer.ts'
import { refOf } from '../protocols/ref.ts'
import type { NodeReport } from '../protocols/report.ts'
import { encodeReport } from '../protocols/report-codec.ts'
import type { Config } from './config.ts'
import type { Driver } from './engine/driver.ts'
import { defaultThreads } from './engine/drivers.ts'
import { Engines } from './engine/engines.ts'
import { createServe, type Serve } from './engine/serve.ts'
import { unloadLogic } from './engine/unload-logic.ts'
import type { Responses } from './http/responses.ts'
import { attemptLogic } from './net/attempt.ts'
import type { Host } from './net/host.ts'
import { type HostLogicInit, hostLogic } from './net/host-logic.ts'
import { type AnyActorLogic, fromPromise } from './runtime/logic.ts'
import type { Runtime } from './runtime/runtime.ts'
import { changeLogic } from './store/change-logic.ts'
import type { HealthHistory } from './store/health-history.ts'
import type { OpenLocalFile } from './store/local-file.ts'
import { showLogic } from './store/show-logic.ts'
import { version } from './version.ts'

/** Tokens of a joining prompt that are evaluated between two ticks of the running requests. */
const prefillTokens = 64
/** A request without a deadline waits this long for its model: no client does. */
const longestWaitMs = 24 * 3_600_000

export interface ProvisionsInit {
  readonly config: Config
  readonly log: Logger
  readonly runtime: Runtime
  readonly catalog: ModelCatalog
  /** What other nodes may read. */
  readonly openFile: OpenLocalFile
  readonly history: Pick<HealthHistory, 'record'>
  readonly journal: TaskJournal
  readonly responses: Responses
  /** What a transfer does; see `src/registry/{pull,push}.ts`. */
  readonly stepsOf: CourierInput['stepsOf']
  readonly startedMs: number
  readonly driver: Driver
  readonly capacity: NodeReport['capacity']
  readonly host: Pick<HostLogicInit, 'open' | 'onHost' | 'onFailed'>
  /** Serves the API; see `src/http/listener-logic.ts`. */
  readonly listener: AnyActorLogic
}

/** The tree of a node, ready to be started; whatever ends a task of it is recorded. */
export function provisions(init: ProvisionsInit): TreeInit {
  const { config, log, runtime, catalog, journal, responses, startedMs } = init
  const { node } = runtime
  recordEnds(runtime, journal, (id, frame) => responses.end(id, frame))
  let host: Host | undefined
  const engines = enginesOf(init)
  const serve = createServe({
    engines,
    clock: runtime.world,
    tell: (to, message) => void runtime.tell(to, message),
    acquire: (digest, request) => acquire(runtime, digest, request),
  })
  const onHost = (opened: Host | undefined): void => {
    host = opened
    init.host.onHost(opened)
  }
  return {
    reporter: { logic: reporter(() => host, log), input: { report: firstReport(init) } },
    network: { logic: network(init, serve.foreign, onHost) },
    membership: {
      logic: membershipMachine,
      input: {
        node,
        boot: runtime.life,
        nextIncarnation: () => runtime.nextId(),
        peer: peer(runtime, () => host),
        healthCheck: healthCheck(init),
        joiners: config.join.map((_, index) => refOf(node, joinerPath(index))),
      },
    },
    prober: proberMachine,
    joiner: joiner(() => host, log),
    joinAddresses: config.join,
    models: {
      logic: models(catalog),
      input: {
        show: showLogic(catalog, (error, model) => log.warn({ err: error, model }, 'cannot show the model')),
        change: changeLogic(catalog),
      },
    },
    worker: {
      logic: workerMachine,
      input: {
        engine: engineMachine.provide({ actors: { process: engines.process() } }),
        maxLoaded: config.maxLoaded,
        keepAliveMs: keepAliveOf(config),
        loadOf: (digest) => engines.loadOf(digest),
        suits: (digest, options) => engines.suits(digest, options),
        unloadShared: unloadLogic(engines),
      },
    },
    health: { logic: healthMachine, input: { activeTasks: () => engines.activeTasks, startedMs } },
    scheduler: {
      logic: schedulerMachine,
      input: {
        node,
        journal,
        strategy: leastConnections,
        loadOf: (digest) => engines.loadOf(digest),
        maxQueue: config.maxQueue,
        task: task(init, serve.own, () => host),
      },
    },
    courier: { logic: courierMachine, input: courier(init) },
    ollamaApi: { logic: ollamaApiMachine.provide({ actors: { listener: init.listener } }) },
    inspector: { logic: inspectorMachine, input: inspection(runtime) },
  }
}

function courier({ runtime, stepsOf }: ProvisionsInit): CourierInput {
  return { transfer: transferMachine, stepsOf, boards: new TransferBoards(runtime) }
}

function inspection(runtime: Runtime): InspectorInput {
  const follow: InspectorInput['follow'] = (path, onTransition) => {
    const ref = refOf(runtime.node, path)
    return runtime.has(ref) ? runtime.follow(ref, onTransition) : undefined
  }
  return { feed: runtime.feed, follow }
}

/** A task asks this node or another alike, and ends the response that a route has opened. */
function task({ runtime, responses }: ProvisionsInit, serve: Serve, host: () => Host | undefined) {
  const attempt = attemptLogic({
    open: (node, request) => (node === runtime.node ? serve(request) : openAt(host(), node, request)),
    sinkOf: (id) => responses.get(id),
    onLoad: (node, digest, load) => {
      runtime.tell(refOf(runtime.node, 'node/scheduler'), { type: 'load.heard', node, digest, load })
    },
  })
  return taskMachine.provide({
    actors: { attempt },
    actions: { respond: (_, { id, frame }) => responses.end(id, frame) },
  })
}

function network({ log, runtime, host, openFile }: ProvisionsInit, serve: Serve, onHost: HostLogicInit['onHost']) {
  const hostActor = hostLogic({
    ...host,
    runtime,
    serve,
    openFile,
    onHost,
    onViolation: (from, error) => log.warn({ from, reason: error.message }, 'protocol violated'),
  })
  return networkMachine.provide({ actors: { host: hostActor } })
}

/** Infinity in the settings, -1 wherever it travels. */
const keepAliveOf = ({ keepAliveMs }: Config): number => (Number.isFinite(keepAliveMs) ? keepAliveMs : -1)

function enginesOf({ runtime, config, catalog, driver }: ProvisionsInit): Engines {
  const { threads, slots, contextTokens } = config
  return new Engines({
    driver,
    settings: {
      threads: threads === 0 ? defaultThreads() : threads,
      slots,
      maxWaiting: maxWaitingFor(slots),
      contextTokens,
      prefillTokens,
    },
    find: (digest) => catalog.find(digest),
    patience: { stallMs: config.loadTimeoutMs, clock: runtime.world },
  })
}

/** Waits as long as the request may: what hangs is the engines' to give up, and other loads may come first. */
async function acquire(
  runtime: Runtime,
  digest: string,
  { keepAliveMs, options, remainingMs }: InferRequest,
): Promise<AcquireRefusal | undefined> {
  const message = { type: 'worker.acquire', digest, options, ...(keepAliveMs === undefined ? {} : { keepAliveMs }) }
  try {
    const answer = await runtime.ask(refOf(runtime.node, 'node/worker'), message, remainingMs || longestWaitMs)
    return answer.type === 'worker.refused' ? (answer as unknown as AcquireRefusal) : undefined
  } catch (error) {
    return { type: 'worker.refused', code: 'busy', message: (error as Error).message }
  }
}

/** Without a host there is no link: the task tries the next holder. */
function openAt(host: Host | undefined, to: string, request: InferRequest): InferStream {
  return host === undefined ? noNetwork() : host.infer(to, request)
}

async function* noNetwork(): AsyncGenerator<InferFrame[]> {
  yield [{ kind: 'failed', code: 'link-lost', message: 'the network of this node is not open' }]
}

function firstReport({ runtime, config, capacity }: ProvisionsInit): NodeReport {
  return {
    node: runtime.node,
    // Larger than in any earlier run.
    version: runtime.nextId(),
    name: config.name,
    software: version,
    api: '',
    state: 'serving',
    models: [],
    loaded: [],
    capacity,
  }
}

function reporter(host: () => Host | undefined, log: Logger) {
  let published: NodeReport | undefined
  return reporterMachine.provide({
    actions: {
      publish: (_, report) => {
        try {
          host()?.publishReport(encodeReport(report, published))
          published = report
        } catch (error) {
          log.warn({ err: error }, 'the report was not gossiped; peers will ask for it')
        }
      },
    },
  })
}

function peer(runtime: Runtime, host: () => Host | undefined) {
  return peerMachine.provide({
    actors: {
      dial: fromPromise(async ({ input: { node, addresses } }) => {
        const open = host()
        if (open === undefined) throw new Error('the network is not open')
        if (open.connected(node)) return
        await open.dial(withPeerId([...addresses, ...open.addressesOf(node)], node))
      }),
    },
    actions: {
      declareDown: (_, { node }) => runtime.nodeDown(node),
      hangUp: (_, { node }) => host()?.hangUp(node),
    },
  })
}

/** The id in the address makes the dial fail when somebody else answers there. */
function withPeerId(addresses: readonly string[], node: string): string[] {
  return [...new Set(addresses.map((address) => (address.includes('/p2p/') ? address : `${address}/p2p/${node}`)))]
}

function healthCheck({ runtime, history }: ProvisionsInit) {
  return healthCheckMachine.provide({
    actions: { record: (_, result) => history.record({ ...result, atMs: runtime.world.wallMs() }) },
  })
}

function joiner(host: () => Host | undefined, log: Logger) {
  return joinerMachine.provide({
    actors: {
      dialAddress: fromPromise(async ({ input }) => {
        const open = host()
        if (open === undefined) throw new Error('the network is not open yet')
        return open.dial([input.address])
      }),
    },
    actions: {
      warn: (_, { address, error, failures }) => {
        if (failures === 2) log.warn({ address, reason: (error as Error).message }, 'cannot join yet; trying again')
      },
    },
  })
}

function models(catalog: ModelCatalog) {
  return modelsMachine.provide({ actors: { scan: fromPromise(() => catalog.list()) } })
}
