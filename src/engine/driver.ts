/**
 * One interface for every inference back end (`llama`, `llama-server`, `ollama`, `openai`, `sim`).
 * `test/engine/compliance.ts` is the suite that each driver passes.
 */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { InferRequest, InferStream, WorkerLoad } from '../../protocols/infer.ts'

/** Fixed when a model is loaded. */
export interface EngineSettings {
  /** Compute threads; never more than the host can give without starving Node (see `defaultThreads`). */
  readonly threads: number
  /** Requests computed at once in lock-step. */
  readonly slots: number
  /** Requests that may wait for a slot before `infer` refuses with `busy`. */
  readonly maxWaiting: number
  /** Context of each slot in tokens. */
  readonly contextTokens: number
  /** Tokens of a prompt that are evaluated between two ticks of the running requests. */
  readonly prefillTokens: number
  /** Tokens that are computed in one go; absent: the driver's choice. */
  readonly batchTokens?: number
  /** Layers on a GPU; absent: as many as fit. */
  readonly gpuLayers?: number
  /** Whether the file is mapped into memory; absent: the driver's choice. */
  readonly useMmap?: boolean
}

export interface Driver {
  readonly name: string
  /**
   * Brings a model into memory. Rejects with an EngineError: `insufficient-memory` (refused before trying, with the
   * numbers), `model-unusable` (corrupt, truncated, unsupported), `load-failed`. Aborting the signal stops the load.
   * @param onProgress called whenever the load shows a sign of life: without one it is given up after a while
   */
  load(
    model: ModelFile,
    settings: EngineSettings,
    signal: AbortSignal,
    onProgress?: LoadProgress,
  ): Promise<LoadedEngine>
}

/** With how much memory it will take in all, once that is known: more than the file. */
export type LoadProgress = (expectedBytes?: number) => void

export interface LoadedEngine {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  /** The child's process id, where there is one. */
  readonly pid?: number
  /** It loads anew by itself where options want that: nothing here needs to. */
  readonly reloadsItself?: boolean
  /**
   * The same process for another model on the same weights: another system text, other parameters, another template.
   * Absent where the weights are not all that is loaded.
   */
  as?(model: ModelFile): LoadedEngine
  /** What it is doing now; also in every `accepted` and `refused` frame. */
  load(): WorkerLoad
  /**
   * Never throws and never rejects: the stream's first frame is `accepted` or `refused`, its last `refused`, `done` or
   * `failed`. Leaving the loop cancels within one batch. When the child dies, every stream ends at once with
   * `failed` `engine-crashed`.
   */
  infer(request: InferRequest): InferStream
  /** Resolves when the engine has ended: with the failure, or undefined after `close`. */
  readonly ended: Promise<Failure | undefined>
  /** Stops the child, within 2 s. Running requests fail with `cancelled`. */
  close(): Promise<void>
}

/** Thrown by `Driver.load`; the message names the model, the cause and the next step. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: 'insufficient-memory' | 'model-unusable' | 'load-failed'

  constructor(code: EngineError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
