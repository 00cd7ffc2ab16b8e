/**
 * `/omx/v1`: the operations API of a node, as JSON over HTTP. The listener answers with these shapes and the command
 * line validates against the same schemas, so that the two cannot drift apart. Times are milliseconds, sizes bytes.
 */
import { type Static, Type } from 'typebox'
import { deadActor, inspectedActor, inspectorNews, nodeCounters, openAsk } from './inspection.ts'

/** Every route's path, once. Parameters go into the query, except the model's name, which `importRoute` appends. */
export const operationsRoutes = {
  status: '/omx/v1/status',
  peers: '/omx/v1/peers',
  models: '/omx/v1/models',
  disk: '/omx/v1/disk',
  inspect: '/omx/v1/inspect',
  facts: '/omx/v1/inspect/facts',
  follow: '/omx/v1/inspect/follow',
} as const

/** `PUT` here imports a GGUF: the file is the body, the token of `run.json` the bearer. Answers lines of `ImportLine`. */
export function importRoute(model: string): string {
  return `${operationsRoutes.models}/${encodeURIComponent(model)}`
}

const Count = Type.Integer({ minimum: 0 })
const Milliseconds = Type.Number({ minimum: 0 })

/** `GET status`: this node in one object. */
export const StatusAnswer = Type.Object({
  /** Peer id. */
  node: Type.String(),
  name: Type.String(),
  version: Type.String(),
  state: Type.Union([Type.Literal('serving'), Type.Literal('draining')]),
  uptimeMs: Milliseconds,
  /** `host:port` of the API. */
  api: Type.String(),
  /** Multiaddrs with `/p2p/<id>`: what another node is given to join. */
  p2p: Type.Array(Type.String()),
  /** Other nodes: those that answer, and all that are known. */
  peers: Type.Object({ healthy: Count, total: Count }),
  /** Names in this node's store. */
  models: Count,
  /** Models in this node's memory. */
  loaded: Count,
  /** Requests that entered here: being answered, and waiting for a worker. */
  tasks: Type.Object({ active: Count, queued: Count }),
})
export type StatusAnswer = Static<typeof StatusAnswer>

/** `GET disk`: what the models of this node take of its disk. */
export const DiskAnswer = Type.Object({
  /** The models folder. */
  folder: Type.String(),
  /** `alone`: of files that no other model needs, which removing this one gives back. */
  models: Type.Array(Type.Object({ name: Type.String(), size: Count, alone: Count })),
  /** Of all models together: what they share counts once. */
  named: Count,
  /** Of complete files that no model names. */
  unnamed: Count,
  /** Of what is on its way, or was when it broke off. */
  unfinished: Count,
  free: Count,
})
export type DiskAnswer = Static<typeof DiskAnswer>

const PeerRow = Type.Object({
  node: Type.String(),
  /** The name it gave itself; '' until it has reported. */
  name: Type.String(),
  /** The state of its peer actor: healthy, suspect, unreachable, … */
  state: Type.String(),
  /** How long it has been in this state, as seen from here. */
  sinceMs: Milliseconds,
  /** Why it is in this state or is given no work, in words; '' when there is nothing to explain. */
  reason: Type.String(),
  addresses: Type.Array(Type.String()),
  /** Last measured round trip; null before the first. */
  rttMs: Type.Union([Milliseconds, Type.Null()]),
  /** How long ago anything was heard from it; null: never. */
  lastSeenMs: Type.Union([Milliseconds, Type.Null()]),
  software: Type.String(),
  models: Count,
  loaded: Count,
  /** Requests it is computing, by its last report. */
  active: Count,
})

/** `GET peers`: every other node that this one knows. */
export const PeersAnswer = Type.Object({ peers: Type.Array(PeerRow) })
export type PeersAnswer = Static<typeof PeersAnswer>

const ModelRow = Type.Object({
  name: Type.String(),
  /** SHA-256 of the manifest, hex. */
  digest: Type.String(),
  size: Count,
  holders: Type.Array(Type.Object({ node: Type.String(), name: Type.String(), loaded: Type.Boolean() })),
})

/** `GET models`: every version of every name in the cluster and who holds it. */
export const ModelsAnswer = Type.Object({ models: Type.Array(ModelRow) })
export type ModelsAnswer = Static<typeof ModelsAnswer>

/** One line of the answer to an import: bytes so far, then the result. A line with `error` is the last. */
export const ImportLine = Type.Union([
  Type.Object({ completed: Count, total: Count }),
  Type.Object({
    status: Type.Literal('success'),
    model: Type.Object({ name: Type.String(), digest: Type.String(), size: Count }),
  }),
  Type.Object({ error: Type.String() }),
])
export type ImportLine = Static<typeof ImportLine>

/** One actor waits for another's answer. Refs: `<node>/<path>`. */
const Wait = Type.Object({
  asker: Type.String(),
  asked: Type.String(),
  type: Type.String(),
  ageMs: Milliseconds,
  leftMs: Milliseconds,
})

/** `GET inspect?peer=<id or name>`: the live supervision tree of a node, parents before their children. */
export const InspectAnswer = Type.Object({
  node: Type.String(),
  name: Type.String(),
  actors: Type.Array(inspectedActor),
  counters: Type.Optional(nodeCounters),
  /** Actors whose address went lately, while somebody looked; the latest first. */
  dead: Type.Optional(Type.Array(deadActor)),
  /** The open asks of its actors, the oldest first. */
  asks: Type.Optional(Type.Array(openAsk)),
  /** Circles of actors that wait for each other, on this node or by way of it over others. */
  deadlocks: Type.Optional(Type.Array(Type.Array(Wait))),
})
export type InspectAnswer = Static<typeof InspectAnswer>

/** `GET inspect/facts?peer=&cursor=`: what happened on a node after the cursor of the last answer. */
export const FactsAnswer = Type.Object({ node: Type.String(), name: Type.String(), ...inspectorNews.properties })
export type FactsAnswer = Static<typeof FactsAnswer>

/** One line of `GET inspect/follow?peer=&path=`: a transition of that actor. `at` is milliseconds since 1970. */
export const TransitionLine = Type.Object({
  path: Type.String(),
  from: Type.String(),
  to: Type.String(),
  event: Type.String(),
  at: Type.Number(),
})
export type TransitionLine = Static<typeof TransitionLine>

/** Every refusal, by any route, in Ollama's form. */
export const ErrorAnswer = Type.Object({ error: Type.String() })
export type ErrorAnswer = Static<typeof ErrorAnswer>
