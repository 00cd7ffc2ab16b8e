/** What this node knows of the cluster: one row per node, from reports and from what its peers' machines say. */
import { displayName, parseModelName } from '../protocols/model-name.ts'
import type { NodeId } from '../protocols/ref.ts'
import type { HeldModel, LoadedModel, NodeReport } from '../protocols/report.ts'

/** A peer's state as its machine names it; `self` is this node. */
export type NodeState =
  | 'self'
  | 'discovered'
  | 'dialling'
  | 'admitting'
  | 'healthy'
  | 'suspect'
  | 'unreachable'
  | 'departed'

export interface ClusterNode {
  readonly node: NodeId
  readonly state: NodeState
  /** Monotonic time at which this node saw it enter that state. */
  readonly sinceMs: number
  /** Why it is in that state, for people; '' when there is nothing to explain. */
  readonly reason: string
  /** Why its health checks keep it from being given work; '' while it passes them. */
  readonly unfit: string
  readonly addresses: readonly string[]
  /** Undefined until the node has said anything about itself. */
  readonly report: NodeReport | undefined
  /** Round trip of the last successful health check; null before the first. */
  readonly rttMs: number | null
}

/** Rows by node, this node included. */
export type ClusterView = ReadonlyMap<NodeId, ClusterNode>

/** Whether a node may be given work: this one, to the end, and others that are reachable, well and not on their way out. */
const isServing = ({ state, report, unfit }: ClusterNode): boolean =>
  state === 'self' || (state === 'healthy' && unfit === '' && report?.state === 'serving')

function servingNodes(view: ClusterView): ClusterNode[] {
  return [...view.values()].filter(isServing)
}

/** Why a node is given no work, in a few words. */
function absenceOf({ state, unfit }: ClusterNode): string {
  if (state !== 'healthy') return state
  return unfit === '' ? 'shutting down' : 'unhealthy'
}

/** A model version that a name means, and who holds it. */
export interface Resolved {
  readonly model: HeldModel
  readonly holders: readonly ClusterNode[]
}

/** Why nobody can serve a name, in words for a client; of a model that is not found, its name. */
export interface Unresolved {
  readonly code: 'model-not-found' | 'holders-gone'
  readonly message: string
}

/**
 * Which version a name means: the entry node's own; else the newest in the cluster, then the lower digest.
 * A request is served by exactly this digest or refused.
 */
export function resolveModel(view: ClusterView, name: string): Resolved | undefined {
  const parsed = parseModelName(name)
  if (parsed === undefined) return undefined
  const wanted = displayName(parsed).toLowerCase()
  const known = resolvedIn(view)
  const resolved = known.get(wanted) ?? searchModel(view, wanted)
  if (resolved !== undefined) known.set(wanted, resolved)
  return resolved
}

/** What was found in a view already: each request asks, and a view stays the same between two reports. */
const resolvedNames = new WeakMap<ClusterView, Map<string, Resolved>>()

function resolvedIn(view: ClusterView): Map<string, Resolved> {
  const known = resolvedNames.get(view) ?? new Map<string, Resolved>()
  resolvedNames.set(view, known)
  return known
}

function searchModel(view: ClusterView, wanted: string): Resolved | undefined {
  const found = servingNodes(view).flatMap((node) =>
    modelsOf(node)
      .filter((model) => model.name.toLowerCase() === wanted)
      .map((model) => ({ node, model })),
  )
  const best = found.toSorted(preference)[0]
  return best === undefined ? undefined : { model: best.model, holders: holdersOf(view, best.model.digest) }
}

/** Nodes that hold a model of this name but cannot be given work now: why a known model cannot be served. */
function absentHolders(view: ClusterView, name: string): ClusterNode[] {
  const parsed = parseModelName(name)
  if (parsed === undefined) return []
  const wanted = displayName(parsed).toLowerCase()
  const serving = new Set(servingNodes(view))
  return [...view.values()].filter(
    (node) => !serving.has(node) && modelsOf(node).some((model) => model.name.toLowerCase() === wanted),
  )
}

/** Why a name means nothing here: a model that nobody knows is not found; one whose holders are away may come back. */
export function unresolved(view: ClusterView, model: string): Unresolved {
  const away = absentHolders(view, model).map(
    (holder) => `${holder.report?.name ?? holder.node} (${absenceOf(holder)})`,
  )
  if (away.length === 0) return { code: 'model-not-found', message: model }
  return {
    code: 'holders-gone',
    message: `model '${model}' is held only by ${away.join(', ')}: start that node, or import it here`,
  }
}

/** Who can serve a model version; undefined when no reachable node holds it. */
export function resolveDigest(view: ClusterView, digest: string): Resolved | undefined {
  const holders = holdersOf(view, digest)
  const model = holders.flatMap(modelsOf).find((held) => held.digest === digest)
  return model === undefined ? undefined : { model, holders }
}

function holdersOf(view: ClusterView, digest: string): ClusterNode[] {
  return servingNodes(view).filter((node) => modelsOf(node).some((held) => held.digest === digest))
}

type Found = { readonly node: ClusterNode; readonly model: HeldModel }

function preference(a: Found, b: Found): number {
  const own = Number(b.node.state === 'self') - Number(a.node.state === 'self')
  if (own !== 0) return own
  const newer = b.model.modifiedAtMs - a.model.modifiedAtMs
  return newer !== 0 ? newer : a.model.digest.localeCompare(b.model.digest)
}

const modelsOf = (node: ClusterNode): readonly HeldModel[] => node.report?.models ?? []

/** One row per name over the whole cluster, each the version that the name means here; newest first. */
export function listModels(view: ClusterView): HeldModel[] {
  const names = new Set(servingNodes(view).flatMap((node) => modelsOf(node).map((model) => model.name.toLowerCase())))
  const rows = [...names].flatMap((name) => resolveModel(view, name)?.model ?? [])
  return rows.toSorted((a, b) => b.modifiedAtMs - a.modifiedAtMs || a.name.localeCompare(b.name))
}

/** What is in memory anywhere, or on its way there, with the node that has it. */
export function listLoaded(view: ClusterView): Array<{ node: ClusterNode; loaded: LoadedModel }> {
  return [...view.values()]
    .filter(({ state }) => state === 'self' || state === 'healthy')
    .flatMap((node) => (node.report?.loaded ?? []).map((loaded) => ({ node, loaded })))
}

/** The entry of a node's report for one version that is loaded or being loaded. */
export function loadedOn(node: ClusterNode, digest: string): LoadedModel | undefined {
  return node.report?.loaded.find((loaded) => loaded.digest === digest)
}
