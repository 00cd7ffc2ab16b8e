/**
 * The report: what a node says about itself, on the gossip topic as a hint and on `/omx/actor/1` when asked.
 * A claim, not a fact: a worker may still refuse, and the entry node then tries the next.
 */

import { Type } from 'typebox'

export const reportTopic = 'omx/1/report'

export interface ModelDetails {
  readonly parent_model: string
  readonly format: string
  readonly family: string
  readonly families: readonly string[] | null
  readonly parameter_size: string
  readonly quantization_level: string
}

/** One name in a node's store. */
export interface HeldModel {
  /** Shortest display form with tag, as `/api/tags` lists it. */
  readonly name: string
  /** SHA-256 of the manifest, hex. */
  readonly digest: string
  readonly sizeBytes: number
  /** Milliseconds since 1970. */
  readonly modifiedAtMs: number
  readonly details: ModelDetails
  readonly contextLength: number
  readonly embeddingLength: number
  readonly capabilities: readonly string[]
}

/** One model in a node's memory, or on its way there. */
export interface LoadedModel {
  readonly digest: string
  readonly name: string
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly contextLength: number
  /** Milliseconds since 1970; -1: never. */
  readonly expiresAtMs: number
  readonly active: number
  readonly waiting: number
  readonly slots: number
  /** It is not there yet, and what is said of it is what is expected. Its time, -1 for ever, begins when it is. */
  readonly loading?: { readonly keepAliveMs: number }
}

export interface NodeReport {
  readonly node: string
  /** Rises with every change; larger after every restart. */
  readonly version: number
  readonly name: string
  readonly software: string
  /** `host:port` of its API, for people; '' when it has none. */
  readonly api: string
  readonly state: 'serving' | 'draining'
  readonly models: readonly HeldModel[]
  readonly loaded: readonly LoadedModel[]
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number }
}

/** Names in one store that a report lists; the newest first, so what is left out is the oldest. */
export const maxReportedModels = 512

/** Models in one node's memory: far above what any machine holds at once. */
const maxReportedLoaded = 64

const shortText = Type.String({ maxLength: 256 })
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' })
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const orNever = Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER })

const modelDetails = Type.Object({
  parent_model: shortText,
  format: shortText,
  family: shortText,
  families: Type.Union([Type.Array(shortText, { maxItems: 32 }), Type.Null()]),
  parameter_size: shortText,
  quantization_level: shortText,
})

const heldModel = Type.Object({
  name: shortText,
  digest,
  sizeBytes: count,
  modifiedAtMs: count,
  details: modelDetails,
  contextLength: count,
  embeddingLength: count,
  capabilities: Type.Array(shortText, { maxItems: 32 }),
})

const loadedModel = Type.Object({
  digest,
  name: shortText,
  sizeBytes: count,
  sizeVramBytes: count,
  contextLength: count,
  expiresAtMs: orNever,
  active: count,
  waiting: count,
  slots: count,
  loading: Type.Optional(Type.Object({ keepAliveMs: orNever })),
})

/** The report's shape on every wire that carries it. Unknown fields pass: version n talks to n-1. */
export const nodeReport = Type.Object({
  node: Type.String({ minLength: 1, maxLength: 128 }),
  version: count,
  name: shortText,
  software: shortText,
  api: shortText,
  state: Type.Union([Type.Literal('serving'), Type.Literal('draining')]),
  models: Type.Array(heldModel, { maxItems: maxReportedModels }),
  loaded: Type.Array(loadedModel, { maxItems: maxReportedLoaded }),
  capacity: Type.Object({ cpus: count, memoryBytes: count }),
})
