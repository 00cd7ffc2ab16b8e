/** `/omx/v1` by messages to actors: status, peers, models, the inspector, imports. */
import type { ModelCatalog, ModelFiles } from '../../actors/model-catalog.ts'
import { peerPath } from '../../actors/roster.ts'
import { type ClusterNode, type ClusterView, loadedOn } from '../../actors/view.ts'
import type { DiskAnswer, ModelsAnswer, PeersAnswer, StatusAnswer } from '../../protocols/operations.ts'
import { refOf } from '../../protocols/ref.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Cluster } from './cluster.ts'
import { ApiError } from './errors.ts'
import { follow, inspect, recentFacts } from './inspection.ts'
import type { OperationsServices } from './services.ts'

export interface OperationsInit {
  readonly cluster: Cluster
  readonly runtime: Runtime
  readonly catalog: ModelCatalog
  /** Undefined where the models are another server's. */
  readonly models: Pick<ModelFiles, 'usage'> | undefined
  readonly token: string
  /** Monotonic time when the process started. */
  readonly startedMs: number
}

export function clusterOperations(init: OperationsInit): OperationsServices {
  const { cluster, catalog, token } = init
  return {
    token,
    status: () => status(init),
    peers: () => peersOf(init),
    models: async () => modelsOf(await cluster.view()),
    disk: () => diskOf(init),
    inspect: async (peer) => {
      const { node, report } = findNode(await cluster.view(), cluster.self, peer)
      return { node, name: report?.name ?? '', ...(await inspect(cluster, node)) }
    },
    facts: async (peer, cursor) => {
      const { node, report } = findNode(await cluster.view(), cluster.self, peer)
      return { node, name: report?.name ?? '', ...(await recentFacts(cluster, node, cursor)) }
    },
    follow: async (peer, path, signal) => {
      const row = findNode(await cluster.view(), cluster.self, peer)
      return follow(init.runtime, refOf(row.node, path), signal)
    },
    importGguf: async (name, body, onProgress) => {
      const held = await catalog.importGguf(name, body, onProgress).catch((error: Error) => {
        throw new ApiError('import-failed', error.message, { cause: error })
      })
      await cluster.ask('node/models', { type: 'models.refresh' })
      return held
    },
  }
}

async function status({ cluster, runtime, startedMs }: OperationsInit): Promise<StatusAnswer> {
  const [view, load] = await Promise.all([cluster.view(), cluster.ask('node/scheduler', { type: 'load.get' })])
  const self = view.get(cluster.self)
  const report = self?.report
  const peers = [...view.values()].filter(({ state }) => state !== 'self')
  return {
    node: cluster.self,
    name: report?.name ?? '',
    version: report?.software ?? '',
    state: report?.state ?? 'serving',
    uptimeMs: runtime.world.monotonicMs() - startedMs,
    api: report?.api ?? '',
    p2p: [...(self?.addresses ?? [])],
    peers: { healthy: peers.filter(({ state }) => state === 'healthy').length, total: peers.length },
    models: report?.models.length ?? 0,
    loaded: report?.loaded.length ?? 0,
    tasks: { active: load.active as number, queued: load.queued as number },
  }
}

async function peersOf({ cluster, runtime }: OperationsInit): Promise<PeersAnswer> {
  const others = [...(await cluster.view()).values()].filter(({ state }) => state !== 'self')
  const heard = await Promise.all(others.map(({ node }) => heardMsAgo(cluster, node)))
  const nowMs = runtime.world.monotonicMs()
  const peers = others.map(({ node, state, sinceMs, reason, unfit, addresses, rttMs, report }, index) => ({
    node,
    name: report?.name ?? '',
    state,
    sinceMs: Math.max(0, nowMs - sinceMs),
    reason: [reason, unfit].filter((text) => text !== '').join('; '),
    addresses: [...addresses],
    rttMs,
    lastSeenMs: heard[index] ?? null,
    software: report?.software ?? '',
    models: report?.models.length ?? 0,
    loaded: report?.loaded.length ?? 0,
    active: (report?.loaded ?? []).reduce((sum, { active }) => sum + active, 0),
  }))
  return { peers }
}

/** The peer's own actor knows; null: never, or it has departed just now. */
async function heardMsAgo(cluster: Cluster, node: string): Promise<number | null> {
  const answer = await cluster.ask(peerPath(node), { type: 'peer.heard' }).catch(() => undefined)
  return typeof answer?.agoMs === 'number' ? answer.agoMs : null
}

function modelsOf(view: ClusterView): ModelsAnswer {
  const rows = new Map<string, ModelsAnswer['models'][number]>()
  for (const holder of view.values()) {
    if (holder.state !== 'self' && holder.state !== 'healthy') continue
    for (const { name, digest, sizeBytes } of holder.report?.models ?? []) {
      const key = `${name}@${digest}`
      const row = rows.get(key) ?? { name, digest, size: sizeBytes, holders: [] }
      const inMemory = loadedOn(holder, digest)
      const loaded = inMemory !== undefined && inMemory.loading === undefined
      row.holders.push({ node: holder.node, name: holder.report?.name ?? '', loaded })
      rows.set(key, row)
    }
  }
  return { models: [...rows.values()].toSorted((a, b) => a.name.localeCompare(b.name)) }
}

async function diskOf({ models }: OperationsInit): Promise<DiskAnswer> {
  if (models === undefined)
    throw new ApiError('not-supported', 'this node uses the models of another server: look there')
  const usage = await models.usage()
  return {
    folder: usage.folder,
    models: usage.models.map(({ name, sizeBytes, aloneBytes }) => ({ name, size: sizeBytes, alone: aloneBytes })),
    named: usage.namedBytes,
    unnamed: usage.unnamedBytes,
    unfinished: usage.unfinishedBytes,
    free: usage.freeBytes,
  }
}

/** A node by its id, by the end of its id, or by its name; undefined: this one. */
function findNode(view: ClusterView, self: string, peer: string | undefined): ClusterNode {
  if (peer === undefined) return view.get(self) as ClusterNode
  const exact = view.get(peer)
  if (exact !== undefined) return exact
  const found = [...view.values()].filter(({ node, report }) => report?.name === peer || node.endsWith(peer))
  const only = found[0]
  if (only === undefined) throw new ApiError('not-found', `no node is called ${peer}: see omx-node peers`)
  if (found.length > 1) throw new ApiError('not-found', `${found.length} nodes are called ${peer}: name one by its id`)
  return only
}
