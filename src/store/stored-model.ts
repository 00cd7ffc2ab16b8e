/** One name in the store with everything that its files say, and the forms in which others hear of it. */
import { displayName, type ModelName } from '../../protocols/model-name.ts'
import type { HeldModel, ModelDetails } from '../../protocols/report.ts'
import type { GgufFacts } from './gguf.ts'
import type { Config, Manifest } from './manifest.ts'

export interface StoredModel {
  readonly name: ModelName
  /** SHA-256 of the manifest, hex. */
  readonly digest: string
  readonly manifest: Manifest
  readonly config: Config
  readonly facts: GgufFacts
  /** What it can do, by Ollama's words. */
  readonly capabilities: readonly string[]
  /** The GGUF blob. */
  readonly path: string
  /** When the manifest was written, milliseconds since 1970. */
  readonly modifiedAtMs: number
}

export function heldModel(model: StoredModel): HeldModel {
  const { manifest, facts } = model
  return {
    name: displayName(model.name),
    digest: model.digest,
    sizeBytes: manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size),
    modifiedAtMs: model.modifiedAtMs,
    details: detailsOf(model),
    contextLength: facts.contextLength,
    embeddingLength: facts.embeddingLength,
    capabilities: model.capabilities,
  }
}

/** Whoever made the model may have said more in the config than the file does. */
export function detailsOf({ config, facts }: StoredModel): ModelDetails {
  return {
    parent_model: '',
    format: config.model_format || 'gguf',
    family: config.model_family || facts.architecture,
    families: config.model_families ?? null,
    parameter_size: config.model_type || facts.parameterSize,
    quantization_level: config.file_type || facts.quantization,
  }
}

/** Newest first by the second, as Ollama sorts; then by name, so that the order never depends on the disk. */
export function newestFirst(left: HeldModel, right: HeldModel): number {
  const seconds = Math.floor(right.modifiedAtMs / 1000) - Math.floor(left.modifiedAtMs / 1000)
  return seconds !== 0 ? seconds : left.name < right.name ? -1 : 1
}
