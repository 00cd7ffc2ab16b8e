/**
 * A whole node on the fabric: the very composition of a real one (`src/provisions.ts`) on real libp2p and in real time,
 * with a list for a disk, the simulated engine, and a listener that is nothing but a state. Requests are submitted as the
 * routes do.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import pino from 'pino'
import type { ModelCatalog } from '../../actors/model-catalog.ts'
import type { ListenerEvent } from '../../actors/ollama-api.ts'
import { tree } from '../../actors/tree.ts'
import type { ClusterNode, ClusterView, NodeState } from '../../actors/view.ts'
import type { InferFrame } from '../../protocols/infer.ts'
import type { Message, NodeId } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { decodeReport } from '../../protocols/report-codec.ts'
import { loadConfig } from '../../src/config/load.ts'
import { leave } from '../../src/ending.ts'
import { SimDriver, type SimOptions } from '../../src/engine/sim.ts'
import { Cluster } from '../../src/http/cluster.ts'
import { Responses } from '../../src/http/responses.ts'
import type { Answer } from '../../src/http/services.ts'
import { type Host, type HostEvents, openHost } from '../../src/net/host.ts'
import { type ProvisionsInit, provisions } from '../../src/provisions.ts'
import { fromCallback } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { MemoryJournal } from '../actors/support/memory-journal.ts'
import { eventually } from '../support/eventually.ts'
import type { Fabric } from './fabric.ts'
import { mediumOf } from './transport.ts'

export interface FabricNodeInit {
  /** Whom to join. */
  readonly join?: readonly FabricNode[]
  readonly models?: readonly HeldModel[]
  readonly engine?: SimOptions
  /** Watchdog of answers from other nodes. */
  readonly stallMs?: number
  /** Sees every frame of actors that arrives. */
  readonly onFrame?: HostEvents['onFrame']
}

const capacity = { cpus: 2, memoryBytes: 1_000_000 }
/** An actor of this node answers within a turn or two. */
const answerMs = 5000
const log = pino({ level: 'silent' })

const settings = loadConfig({
  flags: { threads: 1, slots: 4, contextTokens: 262_144 },
  env: {},
  readFile: () => {
    throw new Error('there is no file')
  },
  host: { homeFolder: '/', name: 'fabric', addresses: [] },
})

let lastNumber = 0

export class FabricNode {
  readonly node: NodeId
  readonly address: string
  readonly runtime: Runtime
  /** Versions of other nodes' reports that gossip brought here. */
  readonly gossiped = new Map<NodeId, number[]>()
  /** Frames of actors that were taken by a link and lost with it. */
  framesLost = 0
  readonly #init: FabricNodeInit
  readonly #fabric: Fabric
  readonly #responses = new Responses()
  readonly #cluster: Cluster
  #host: Host | undefined
  #closing: Promise<void> | undefined

  private constructor(fabric: Fabric, node: NodeId, init: FabricNodeInit) {
    this.node = node
    this.address = `/memory/${++lastNumber}`
    this.#fabric = fabric
    this.#init = init
    this.runtime = new Runtime(node)
    this.#cluster = new Cluster({ runtime: this.runtime, responses: this.#responses, problemOf: () => undefined })
  }

  /** Resolves when it can be dialled and has read its disk. */
  static async start(fabric: Fabric, init: FabricNodeInit = {}): Promise<FabricNode> {
    const privateKey = await generateKeyPair('Ed25519')
    const node = new FabricNode(fabric, peerIdFromPrivateKey(privateKey).toString(), init)
    await new Promise<void>((resolve, reject) => {
      const open = (events: HostEvents) => node.#open(privateKey, events)
      const onHost = (host: Host | undefined) => host && resolve()
      node.runtime.spawn(tree(node.#provisions({ open, onHost, onFailed: reject })))
    })
    await node.runtime.ask(node.ref('models'), { type: 'models.refresh' }, answerMs)
    return node
  }

  async #open(privateKey: PrivateKey, events: HostEvents): Promise<Host> {
    const { stallMs, onFrame } = this.#init
    const host = await openHost({
      privateKey,
      listen: [this.address],
      mdns: false,
      software: 'fabric/1',
      medium: mediumOf(this.#fabric),
      events: {
        ...events,
        onFrame: (from, body) => {
          onFrame?.(from, body)
          events.onFrame(from, body)
        },
        onReport: (from, bytes) => {
          this.#noteGossip(from, bytes)
          events.onReport(from, bytes)
        },
        onFramesLost: (node, bodies) => {
          this.framesLost += bodies.length
          events.onFramesLost(node, bodies)
        },
      },
      ...(stallMs === undefined ? {} : { stallMs }),
    })
    // The tree does not wait for this end; a test does.
    const close = (): Promise<void> => {
      this.#closing ??= host.close()
      return this.#closing
    }
    this.#host = { ...host, close }
    return this.#host
  }

  #noteGossip(from: NodeId, bytes: Uint8Array): void {
    const decoded = decodeReport(bytes)
    const version = decoded.kind === 'full' ? decoded.report.version : decoded.version
    this.gossiped.set(from, [...(this.gossiped.get(from) ?? []), version])
  }

  #provisions(host: ProvisionsInit['host']): ReturnType<typeof provisions> {
    const { join = [], engine } = this.#init
    return provisions({
      config: { ...settings, name: this.address, join: join.map(({ address }) => address) },
      log,
      runtime: this.runtime,
      catalog: catalogOf(this.#init.models ?? []),
      openFile: async () => undefined,
      history: { record: () => {} },
      journal: new MemoryJournal(),
      responses: this.#responses,
      stepsOf: () => {
        throw new Error('this node reaches no registry')
      },
      startedMs: this.runtime.world.monotonicMs(),
      driver: new SimDriver(engine),
      capacity,
      host,
      listener: fromCallback<{ type: 'drain' }>(({ sendBack, receive }) => {
        const send = (event: ListenerEvent): void => sendBack(event as never)
        send({ type: 'listener.open', api: '127.0.0.1:1' })
        receive(() => send({ type: 'listener.drained' }))
      }),
    })
  }

  get host(): Host {
    if (this.#host === undefined) throw new Error('the network is not open')
    return this.#host
  }

  ref(path: string): string {
    return refOf(this.node, `node/${path}`)
  }

  tell(path: string, message: Message): void {
    this.runtime.tell(this.ref(path), message)
  }

  /** Asks for an answer of this many tokens. */
  submit(tokens: number, model = 'm'): Promise<Answer> {
    const work = { kind: 'generate', prompt: 'a b c', raw: true } as const
    const options = { num_predict: tokens }
    return this.#cluster.submit({ model, work, options, priority: 0 }, new AbortController().signal)
  }

  view(): Promise<ClusterView> {
    return this.#cluster.view()
  }

  async row(other: FabricNode): Promise<ClusterNode | undefined> {
    return (await this.view()).get(other.node)
  }

  async seesAs(other: FabricNode): Promise<NodeState | undefined> {
    return (await this.row(other))?.state
  }

  /** Says something new of itself, as after an import, and resolves with the version of the report that says it. */
  async changeReport(): Promise<number> {
    const before = await this.reportVersion()
    this.tell('reporter', { type: 'api.open', api: `127.0.0.1:${1 + (before % 60_000)}` })
    return await eventually('the report changes', async () => {
      const version = await this.reportVersion()
      return version > before && version
    })
  }

  async reportVersion(): Promise<number> {
    return (await this.row(this))?.report?.version ?? 0
  }

  /** Leaves as on SIGTERM; nothing of it remains. */
  async stop(): Promise<void> {
    await leave(this.runtime, 0)
    await this.host.close()
  }
}

/** Every frame of an answer, to its end. */
export async function framesOf(
  answer: AsyncIterable<readonly InferFrame[]>,
  onBatch: (frames: readonly InferFrame[]) => void = () => {},
) {
  const frames: InferFrame[] = []
  for await (const batch of answer) {
    frames.push(...batch)
    onBatch(batch)
  }
  return frames
}

export function indicesOf(frames: readonly InferFrame[]): number[] {
  return frames.flatMap((frame) => (frame.kind === 'token' ? [frame.index] : []))
}

function catalogOf(models: readonly HeldModel[]): ModelCatalog {
  return {
    list: async () => models,
    find: async (digest) => {
      const model = models.find((candidate) => candidate.digest === digest)
      return model && { digest, name: model.name, path: '', sizeBytes: model.sizeBytes, parameters: {} }
    },
    show: async () => undefined,
    importGguf: noWriting,
    copy: noWriting,
    remove: noWriting,
  }
}

const noWriting = (): Promise<never> => Promise.reject(new Error('this disk is a list'))
