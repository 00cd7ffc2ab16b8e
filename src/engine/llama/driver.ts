/** node-llama-cpp in a forked child per loaded model. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine, type LoadProgress } from '../driver.ts'
import { PromptedEngine } from '../prompted-engine.ts'
import { EngineProcess } from './child-process.ts'
import { LlamaCompleter } from './completer.ts'
import { readHeader, unusable } from './header.ts'
import { estimateMemory } from './memory.ts'
import type { ChildMessage } from './messages.ts'

export interface LlamaDriverOptions {
  /** False: never use a GPU. Default true: use one where there is one. */
  readonly gpu?: boolean
}

export class LlamaDriver implements Driver {
  readonly name = 'llama'
  readonly #options: LlamaDriverOptions

  constructor(options: LlamaDriverOptions = {}) {
    this.#options = options
  }

  async load(
    model: ModelFile,
    settings: EngineSettings,
    signal: AbortSignal,
    onProgress: LoadProgress = () => {},
  ): Promise<LoadedEngine> {
    const shape = await readHeader(model)
    const { contextTokens } = settings
    const estimate = estimateMemory(shape, contextTokens, settings.slots)
    onProgress(estimate.totalBytes)
    const completer = await startCompleter({
      model,
      settings,
      signal,
      contextTokens,
      estimate,
      vocabularyTokens: shape.vocabulary,
      gpu: this.#options.gpu ?? true,
      onProgress,
    })
    return new PromptedEngine({ completer, model })
  }
}

interface Start {
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly signal: AbortSignal
  readonly contextTokens: number
  readonly estimate: ReturnType<typeof estimateMemory>
  readonly vocabularyTokens: number
  readonly gpu: boolean
  readonly onProgress: LoadProgress
}

/** Forks the child and waits until it has the model. @throws EngineError; then no process is left */
async function startCompleter(start: Start): Promise<LlamaCompleter> {
  const { model, settings, signal, contextTokens, estimate } = start
  if (signal.aborted) throw stopped(model)
  let completer: LlamaCompleter | undefined
  const loading = Promise.withResolvers<Extract<ChildMessage, { kind: 'loaded' }>>()
  // A rejection that comes when nobody waits any more is not an accident.
  loading.promise.catch(() => {})
  const child = new EngineProcess({
    model: model.name,
    onMessage: (message) => {
      if (completer !== undefined) return completer.hear(message)
      if (message.kind === 'loading') start.onProgress()
      else if (message.kind === 'loaded') loading.resolve(message)
      else if (message.kind === 'unloadable') loading.reject(refusal(model, message))
    },
    onEnd: (failure) => {
      if (completer !== undefined) completer.end(failure)
      else loading.reject(crashed(model, failure))
    },
  })
  const abort = (): void => loading.reject(stopped(model))
  signal.addEventListener('abort', abort, { once: true })
  try {
    child.send({
      ...settings,
      kind: 'load',
      path: model.path,
      adapters: model.adapters ?? [],
      contextTokens,
      gpu: start.gpu,
      estimate,
    })
    const loaded = await loading.promise
    completer = new LlamaCompleter({
      process: child,
      model,
      settings,
      contextLength: loaded.contextTokens,
      sizeBytes: estimate.totalBytes,
      sizeVramBytes: loaded.vramBytes,
      vocabulary: loaded.vocabulary,
      vocabularyTokens: start.vocabularyTokens,
    })
    return completer
  } catch (error) {
    await child.stop()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function refusal(model: ModelFile, message: Extract<ChildMessage, { kind: 'unloadable' }>): EngineError {
  if (message.code === 'model-unusable') return unusable(model, message.message)
  if (message.code === 'insufficient-memory') return new EngineError(message.code, `${model.name}: ${message.message}`)
  return new EngineError(
    message.code,
    `cannot load ${model.name}: ${message.message}. The node's log has more; try again`,
  )
}

function crashed(model: ModelFile, failure: Failure | undefined): EngineError {
  const cause = failure?.message ?? 'its engine was stopped'
  return new EngineError(
    'load-failed',
    `cannot load ${model.name}: ${cause}. Check the host's memory and the model file`,
  )
}

function stopped(model: ModelFile): EngineError {
  return new EngineError('load-failed', `loading ${model.name} was stopped before it was done; ask again to load it`)
}
