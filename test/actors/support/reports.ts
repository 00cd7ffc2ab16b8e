/** Reports and models, as small as their schemas allow. */
import type { NodeId } from '../../../protocols/ref.ts'
import type { HeldModel, LoadedModel, NodeReport } from '../../../protocols/report.ts'

/** A manifest digest from one hex digit or more. */
const digestOf = (text: string): string => text.padStart(64, '0')

export const digestA = digestOf('a')
export const digestB = digestOf('b')
export const digestC = digestOf('c')

const details = {
  parent_model: '',
  format: 'gguf',
  family: 'llama',
  families: null,
  parameter_size: '1.6M',
  quantization_level: 'F16',
}

export function held(name: string, digest: string, rest: Partial<HeldModel> = {}): HeldModel {
  return {
    name,
    digest,
    sizeBytes: 1_000,
    modifiedAtMs: 1,
    details,
    contextLength: 256,
    embeddingLength: 64,
    capabilities: ['completion'],
    ...rest,
  }
}

export function loaded(digest: string, rest: Partial<LoadedModel> = {}): LoadedModel {
  return {
    digest,
    name: 'm:latest',
    sizeBytes: 1_000,
    sizeVramBytes: 0,
    contextLength: 256,
    expiresAtMs: -1,
    active: 0,
    waiting: 0,
    slots: 4,
    ...rest,
  }
}

export function reportOf(node: NodeId, rest: Partial<NodeReport> = {}): NodeReport {
  return {
    node,
    version: 1,
    name: `host-${node}`,
    software: '0.0.0',
    api: '',
    state: 'serving',
    models: [],
    loaded: [],
    capacity: { cpus: 2, memoryBytes: 1_000_000 },
    ...rest,
  }
}
