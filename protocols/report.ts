/**
 * The report: what a node says about itself, on the gossip topic as a hint and on `/omx/actor/1` when asked.
 * A claim, not a fact: a worker may still refuse, and the entry node then tries the next.
 */

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

/** One model in a node's memory. */
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
