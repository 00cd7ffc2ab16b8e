/** llama.cpp's own server, found on this host, one process for each loaded model: images, and every sampler there is. */
import { setTimeout as pause } from 'node:timers/promises'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { Vocabulary } from '../completer.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine, type LoadProgress } from '../driver.ts'
import { readHeader } from '../llama/header.ts'
import { availableBytes, estimateMemory, memoryRefusal } from '../llama/memory.ts'
import { PromptedEngine } from '../prompted-engine.ts'
import { RemoteClient, RemoteError } from '../remote/client.ts'
import { ServerCompleter } from './completer.ts'
import { Embedder, type EmbeddingServer } from './embedder.ts'
import { ServerProcess, type ServerProcessInit } from './process.ts'

/** How often a server that is loading is asked whether it is ready. */
const healthMs = 50

const propsCheck = Compile(
  Type.Object({
    chat_template: Type.Optional(Type.String()),
    bos_token: Type.Optional(Type.String()),
    eos_token: Type.Optional(Type.String()),
    default_generation_settings: Type.Optional(Type.Object({ n_ctx: Type.Optional(Type.Integer()) })),
  }),
)

const tokensCheck = Compile(Type.Object({ tokens: Type.Array(Type.Integer()) }))

export interface LlamaServerOptions {
  /** The program: a path, or a name on the PATH. */
  readonly command: string
  /** False: never use a GPU. */
  readonly gpu?: boolean
}

export class LlamaServerDriver implements Driver {
  readonly name = 'llama-server'
  readonly #options: LlamaServerOptions

  constructor(options: LlamaServerOptions) {
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
    const refusal = memoryRefusal(estimate, availableBytes())
    if (refusal !== undefined) throw new EngineError('insufficient-memory', `${model.name}: ${refusal}`)
    onProgress(estimate.totalBytes)
    let completer: ServerCompleter | undefined
    const server = await this.#start(model, this.#words(model, settings, contextTokens), signal, {
      onOutput: () => onProgress(),
      onEnd: (failure) => completer?.end(failure),
    })
    const embedder = new Embedder({
      contextTokens,
      start: (closing) => this.#startEmbedding(model, settings, contextTokens, closing),
    })
    completer = new ServerCompleter({
      ...server,
      embedder,
      name: model.name,
      settings,
      contextLength: contextTokens,
      sizeBytes: estimate.totalBytes,
      vocabularyTokens: shape.vocabulary,
      ...(await vocabularyOf(server.api)),
    })
    return new PromptedEngine({ completer, model })
  }

  #words(model: ModelFile, settings: EngineSettings, contextTokens: number): string[] {
    const { threads, slots, batchTokens, useMmap } = settings
    const gpuLayers = this.#options.gpu === false ? 0 : settings.gpuLayers
    return [
      ...['--model', model.path, '--offline', '--no-webui', '--context-shift'],
      ...(model.adapters ?? []).flatMap((path) => ['--lora', listItem(path)]),
      ...['--threads', String(threads), '--threads-batch', String(threads)],
      ...['--parallel', String(slots), '--ctx-size', String(contextTokens * slots)],
      ...(gpuLayers === undefined ? [] : ['--n-gpu-layers', String(gpuLayers)]),
      ...(batchTokens === undefined ? [] : ['--batch-size', String(batchTokens)]),
      ...(useMmap === false ? ['--no-mmap'] : []),
    ]
  }

  async #startEmbedding(
    model: ModelFile,
    settings: EngineSettings,
    contextTokens: number,
    closing: AbortSignal,
  ): Promise<EmbeddingServer> {
    // A model that reads the whole text at once needs all of it in one batch.
    const batch = ['--batch-size', String(contextTokens), '--ubatch-size', String(contextTokens)]
    const pooling = ['--embeddings', '--pooling', 'mean']
    const words = [...this.#words(model, { ...settings, slots: 1 }, contextTokens), ...batch, ...pooling]
    const { process, api } = await this.#start(model, words, closing)
    return { api, stop: () => process.stop() }
  }

  /** Starts a server and waits until it has the model. Rejects with an EngineError; then no process is left. */
  async #start(
    model: ModelFile,
    words: readonly string[],
    signal: AbortSignal,
    { onOutput, onEnd }: Partial<Pick<ServerProcessInit, 'onOutput' | 'onEnd'>> = {},
  ): Promise<{ readonly process: ServerProcess; readonly api: RemoteClient }> {
    let failure: Failure | undefined
    const process = new ServerProcess({
      command: this.#options.command,
      words,
      model: model.name,
      onOutput: () => onOutput?.(),
      onEnd: (how) => {
        failure = how ?? { name: 'EngineError', message: 'it was stopped' }
        onEnd?.(how)
      },
    })
    const api = new RemoteClient({
      kind: 'llama-server',
      url: 'http://localhost',
      socketPath: process.socketPath,
    })
    while (failure === undefined && !signal.aborted) {
      const health = await api.ask('GET', '/health').catch((error: unknown) => error)
      if (!(health instanceof RemoteError)) return { process, api }
      await pause(healthMs)
    }
    await process.stop()
    throw loadError(model, failure)
  }
}

/** A path as the one item of a list: the server splits what it is given at commas that stand outside of quotes. */
function listItem(path: string): string {
  return path.includes(',') ? `"${path.replaceAll('"', '""')}"` : path
}

async function vocabularyOf(
  api: RemoteClient,
): Promise<{ readonly vocabulary: Vocabulary; readonly begin: readonly number[] }> {
  const props = await api.ask('GET', '/props').catch(() => ({}))
  const nothing = await api.ask('POST', '/tokenize', { content: '', add_special: true }).catch(() => ({}))
  const { chat_template, bos_token = '', eos_token = '' } = propsCheck.Check(props) ? props : {}
  // What may stand at its end as well is not ours to add.
  const begin = tokensCheck.Check(nothing) ? nothing.tokens.slice(0, 1) : []
  return {
    vocabulary: {
      chatTemplate: chat_template || undefined,
      bosToken: bos_token,
      eosToken: eos_token,
      addsBos: begin.length > 0,
    },
    begin,
  }
}

function loadError(model: ModelFile, failure: Failure | undefined): EngineError {
  if (failure !== undefined) return new EngineError('load-failed', `cannot load ${model.name}: ${failure.message}`)
  return new EngineError('load-failed', `loading ${model.name} was stopped before it was done; ask again to load it`)
}
