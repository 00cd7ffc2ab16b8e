/** What makes a model: the request, the parts that it has so far, and how its end is written. */
import type { NewModel, Quantize } from '../../actors/model-catalog.ts'
import type { ModelName } from '../../protocols/model-name.ts'
import type { InTurn } from './import.ts'
import type { Layout } from './layout.ts'
import type { Config, Layer, Manifest } from './manifest.ts'
import type { StagedFile } from './staged-file.ts'

/** A layer of a model in the making. Without bytes or a file of its own, its blob must be there. */
export interface DraftLayer extends Layer {
  readonly bytes?: Buffer
  readonly staged?: StagedFile
  /** Told of it instead of whether it was here already. */
  readonly status?: string
}

/** What a model begins with. */
export interface Parts {
  readonly layers: readonly DraftLayer[]
  readonly config: Config
  /** Options by Ollama's names. */
  readonly parameters: Readonly<Record<string, unknown>>
}

/** A model that another one begins with. */
export interface Base {
  readonly manifest: Manifest
  readonly config: Config
}

export interface Creation {
  readonly layout: Layout
  /** In the spelling that it will have. */
  readonly name: ModelName
  readonly request: NewModel
  /** Finds what `from` means. Throws a StoreError when it is not here. */
  readonly find: (from: string) => Promise<Base>
  /** Runs the last part, in which names change. */
  readonly inTurn: InTurn
  readonly quantize: Quantize
  /** Hears Ollama's words for each step. */
  readonly onStatus: (status: string) => void
}
