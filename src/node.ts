/** Starts and stops a node: opens the data folder, gives the tree what it needs, and waits until it answers. */
import { randomBytes } from 'node:crypto'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Logger } from 'pino'
import type { Quantize } from '../actors/model-catalog.ts'
import type { TaskJournal } from '../actors/task-journal.ts'
import { tree } from '../actors/tree.ts'
import { displayName, parseModelName } from '../protocols/model-name.ts'
import { refOf } from '../protocols/ref.ts'
import type { Config } from './config.ts'
import { leave } from './ending.ts'
import { createDriver, defaultThreads } from './engine/drivers.ts'
import { quantizer, quantizerBeside } from './engine/llama-server/quantizer.ts'
import { OllamaCatalog } from './engine/ollama/catalog.ts'
import { ollamaAt } from './engine/ollama/driver.ts'
import { OpenaiCatalog } from './engine/openai/catalog.ts'
import { openaiAt } from './engine/openai/driver.ts'
import { Cluster } from './http/cluster.ts'
import { clusterFiles, type FilesInit } from './http/cluster-files.ts'
import { clusterMaker } from './http/cluster-maker.ts'
import { clusterOperations } from './http/cluster-operations.ts'
import type { Listener } from './http/listener.ts'
import { listenerLogic } from './http/listener-logic.ts'
import { Responses } from './http/responses.ts'
import type { ApiServices } from './http/services.ts'
import { type Host, openHost } from './net/host.ts'
import { loadOrCreateKey } from './net/key.ts'
import { logFacts } from './observe/log-facts.ts'
import { logUnreadable } from './observe/log-unreadable.ts'
import { provisions } from './provisions.ts'
import type { RunningNode, StartNode } from './running-node.ts'
import { Runtime } from './runtime/runtime.ts'
import { realWorld } from './runtime/world.ts'
import { type Catalog, type ModelsFolder, openCatalog } from './store/catalog.ts'
import { type DataFolder, openDataFolder } from './store/data-folder.ts'
import { type HealthHistory, openHealthHistory } from './store/health-history.ts'
import { beginLife } from './store/life.ts'
import { localFiles, type OpenLocalFile } from './store/local-file.ts'
import { removeRunFile, writeRunFile } from './store/run-file.ts'
import { openTaskJournal } from './store/task-journal.ts'
import { transfersOf } from './transfers.ts'
import { version } from './version.ts'

/** Bytes of the token that lets the command line administer this node. */
const tokenBytes = 24

/** What is open beside the tree; `closers` closes it after the tree, the last first. */
interface Open {
  readonly folder: DataFolder
  readonly history: HealthHistory
  readonly journal: TaskJournal
  readonly catalog: Catalog
  /** Absent where the models are another server's. */
  readonly models: ModelsFolder | undefined
  readonly closers: DisposableStack
}

export const startNode: StartNode = async (config, log) => {
  const closers = new DisposableStack()
  const onError = (error: Error) => log.warn({ err: error }, 'records are not on the disk')
  try {
    const folder = closers.adopt(await openDataFolder(config.data), (open) => open.release())
    const at = (name: string) => join(folder.path, name)
    const history = closers.adopt(openHealthHistory(at('health.sqlite'), onError), (open) => open.close())
    const journal = closers.adopt(openTaskJournal(at('tasks.sqlite'), Date.now(), onError), (open) => open.close())
    if (journal.cutOff > 0)
      log.warn({ requests: journal.cutOff }, 'the previous run was cut off in the middle of requests')
    const foreign = await remoteCatalog(config)
    const options = { data: config.data, quantize: quantizeBy(config, closers) }
    const models = foreign === undefined ? await openCatalog(config.models, options) : undefined
    const catalog = (models ?? foreign) as Catalog
    return await run(config, log, { folder, history, journal, catalog, models, closers })
  } catch (error) {
    closers.dispose()
    throw error
  }
}

async function run(config: Config, log: Logger, open: Open): Promise<RunningNode> {
  const { privateKey, warning } = await loadOrCreateKey(open.folder.path)
  if (warning !== undefined) log.warn(warning)
  const life = await beginLife(open.folder.path, realWorld.wallMs())
  const runtime = new Runtime(peerIdFromPrivateKey(privateKey).toString(), realWorld, life)
  const root = refOf(runtime.node, 'node')
  const responses = new Responses()
  logFacts(runtime, log)
  const failed = failureOf(runtime)
  const token = randomBytes(tokenBytes).toString('base64url')
  const startedMs = runtime.world.monotonicMs()
  const network = deferred<Host>()
  const openFile = localFiles(open.models, logUnreadable(log, runtime.world))
  const files = new ReachableFiles(runtime.node, openFile)
  const apiServices = services({ runtime, responses, open, files, token, startedMs })
  const api = deferred<Listener>()
  const init = provisions({
    ...open,
    config,
    log,
    runtime,
    responses,
    startedMs,
    openFile,
    stepsOf: await transfersOf({ ...open, config, privateKey, source: apiServices.registry }),
    driver: driverOf(config),
    capacity: { cpus: availableParallelism(), memoryBytes: totalmem() },
    host: {
      open: (events) => openHost({ ...networkOf(config), privateKey, events }),
      onHost: (host) => {
        files.host = host
        if (host !== undefined) network.resolve(host)
      },
      onFailed: network.reject,
    },
    listener: listenerLogic({
      ...config.api,
      origins: config.origins,
      log,
      services: apiServices,
      ready: () => firstScan(runtime),
      onOpen: api.resolve,
      onFailed: api.reject,
    }),
  })
  runtime.spawn(tree(init))
  try {
    const [host, listener] = await Promise.all([network.promise, api.promise])
    const address = apiOf(listener)
    const p2p = host.addresses()
    const startedAt = new Date().toISOString()
    const { node } = runtime
    await writeRunFile(open.folder.path, {
      pid: process.pid,
      api: `http://${address}`,
      p2p,
      node,
      name: config.name,
      token,
      startedAt,
    })
    for (const { message } of open.catalog.problems()) log.warn(message)
    const drain = () => stop(runtime, config, open)
    return { api: address, p2pAddresses: p2p, nodeId: node, name: config.name, drain, failed }
  } catch (error) {
    await runtime.stop(root)
    throw error
  }
}

function quantizeBy({ engine, threads }: Config, closers: DisposableStack): Quantize {
  const stopping = new AbortController()
  closers.defer(() => stopping.abort())
  const command = quantizerBeside(engine.name === 'llama-server' ? engine.command : 'llama-server')
  return quantizer(command, threads === 0 ? defaultThreads() : threads, stopping.signal)
}

/** Resolves when the root itself fails: nobody is left to restart it. */
function failureOf(runtime: Runtime): Promise<Error> {
  return new Promise((resolve) => {
    runtime.facts.observe(['escalated'], ({ exit }) => {
      resolve(new Error(exit.kind === 'crash' ? exit.failure.message : `the root ended: ${exit.kind}`))
    })
  })
}

/** Manifests and blobs of this node and, while the network is open, of the others. */
class ReachableFiles {
  readonly #self: string
  readonly #own: OpenLocalFile
  host: Host | undefined

  constructor(self: string, own: OpenLocalFile) {
    this.#self = self
    this.#own = own
  }

  readonly openFile: FilesInit['openFile'] = async (node, file, signal) => {
    if (node === this.#self) return this.#own(file)
    if (this.host === undefined) throw new Error('the network of this node is not open')
    return this.host.openFile(node, file, signal)
  }
}

/** The models of another server, where one is the engine. */
async function remoteCatalog({ engine, openaiKey }: Config): Promise<Catalog | undefined> {
  if (engine.name === 'ollama') return new OllamaCatalog(ollamaAt(engine.url))
  if (engine.name !== 'openai') return undefined
  const catalog = new OpenaiCatalog(openaiAt(engine.url, openaiKey))
  await catalog.open()
  return catalog
}

function driverOf({ engine, gpu, simTokensPerSecond, openaiKey }: Config) {
  return createDriver(engine, { llama: { gpu }, sim: { tokensPerSecond: simTokensPerSecond }, openaiKey })
}

function networkOf({ p2p, mdns }: Config) {
  return { listen: [p2p], mdns, software: `omx-node/${version}` }
}

interface ServicesInit {
  readonly runtime: Runtime
  readonly responses: Responses
  readonly open: Pick<Open, 'catalog' | 'models'>
  readonly files: ReachableFiles
  readonly token: string
  readonly startedMs: number
}

function services({ runtime, responses, open, files, token, startedMs }: ServicesInit): ApiServices {
  const { catalog, models } = open
  const cluster = new Cluster({ runtime, responses, problemOf: (name) => problemOf(catalog, name) })
  return {
    submit: (request, signal) => cluster.submit(request, signal),
    find: (name) => cluster.find(name),
    require: (name) => cluster.require(name),
    models: () => cluster.models(),
    loaded: () => cluster.loaded(),
    show: (name, verbose, instead) => cluster.show(name, verbose, instead),
    unload: (name) => cluster.unload(name),
    copy: (source, destination) => cluster.copy(source, destination),
    remove: (name) => cluster.remove(name),
    maker: clusterMaker({ cluster, maker: catalog }),
    transfer: (request, signal) => cluster.transfer(request, signal),
    bring: (name, signal) => cluster.bring(name, signal),
    registry: clusterFiles({ cluster, models, openFile: files.openFile }),
    operations: clusterOperations({ cluster, runtime, catalog, models, token, startedMs }),
  }
}

function problemOf(catalog: Catalog, name: string): string | undefined {
  const parsed = parseModelName(name)
  const wanted = parsed === undefined ? undefined : displayName(parsed).toLowerCase()
  return catalog.problems().find((problem) => problem.name.toLowerCase() === wanted)?.message
}

/** Once the store has been read, no request is told that a model is missing which is there. */
async function firstScan(runtime: Runtime): Promise<void> {
  await runtime.ask(refOf(runtime.node, 'node/models'), { type: 'models.refresh' }, 60_000)
}

/** No new work; what runs here, for whomever, may finish; then everything stops in reverse order of its start. */
async function stop(runtime: Runtime, config: Config, { folder, closers }: Open): Promise<void> {
  await leave(runtime, config.drainMs)
  await removeRunFile(folder.path)
  closers.dispose()
}

function apiOf({ address: { host, port } }: Listener): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function deferred<T>() {
  return Promise.withResolvers<T>()
}
