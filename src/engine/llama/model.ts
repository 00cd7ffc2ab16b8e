/** A model in this process: the weights, its sequences and its tokenizer. Runs in the child only. */
import {
  getLlama,
  InsufficientMemoryError,
  type Llama,
  type LlamaContextSequence,
  type LlamaEmbeddingContext,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import type { Format } from '../../../protocols/chat.ts'
import type { Vocabulary } from '../completer.ts'
import { jsonObjectGrammar, SchemaError, schemaGrammar } from '../grammar/json-schema.ts'
import { EmbeddingError } from '../vector.ts'
import { availableBytes, batchTokens, memoryRefusal } from './memory.ts'
import type { LoadMessage } from './messages.ts'

/** Thrown when a model cannot be brought into memory. */
export class LoadError extends Error {
  override readonly name = 'LoadError'
  readonly code: 'insufficient-memory' | 'model-unusable' | 'load-failed'

  constructor(code: LoadError['code'], message: string) {
    super(message)
    this.code = code
  }
}

export interface LoadedModel {
  readonly model: LlamaModel
  readonly sequences: readonly LlamaContextSequence[]
  /** Tokens that a prompt and its answer may have together. */
  readonly contextTokens: number
  readonly vramBytes: number
  readonly vocabulary: Vocabulary
  /** Text to tokens; `atStart`: with the model's beginning-of-text token where it wants one, else without. */
  tokenize(text: string, atStart: boolean): readonly number[]
  /** Text in the middle of another, where nothing is put before it and control tokens are letters. */
  tokenizeWithin(text: string): readonly number[]
  /** A prompt with that token before it, where the model wants one and it is not there. */
  begun(tokens: readonly number[]): readonly number[]
  /** @param showsControl whether control tokens are text too */
  detokenize(tokens: readonly number[], before: readonly number[], showsControl?: boolean): string
  /** The state of a new answer that must have this format. Rejects with a SchemaError where the schema is none. */
  grammar(format: Format): Promise<LlamaGrammarEvaluationState>
  /** Created when first asked for: most models are never asked. */
  embeddings(): Promise<LlamaEmbeddingContext>
}

/** @throws LoadError */
export async function loadModel(init: LoadMessage, onProgress: (fraction: number) => void): Promise<LoadedModel> {
  const llama = await startLlama(init)
  const vram = llama.gpu === false ? 0 : (await llama.getVramState()).free
  const refusal = memoryRefusal(init.estimate, availableBytes() + vram)
  if (refusal !== undefined) throw new LoadError('insufficient-memory', refusal)
  const model = await llama
    .loadModel({
      modelPath: init.path,
      onLoadProgress: onProgress,
      ...(init.gpuLayers === undefined ? {} : { gpuLayers: init.gpuLayers }),
      ...(init.useMmap === undefined ? {} : { useMmap: init.useMmap }),
    })
    .catch((error: unknown) => giveUp(error, 'model-unusable'))
  const context = await model
    .createContext({
      sequences: init.slots,
      contextSize: init.contextTokens,
      batchSize: init.batchTokens ?? batchTokens,
      threads: init.threads,
      lora: { adapters: init.adapters.map((filePath) => ({ filePath })) },
    })
    .catch((error: unknown) => giveUp(error, 'load-failed'))
  // Ids ascend: neighbours in the list are neighbours in a batch.
  const sequences = Array.from({ length: init.slots }, () => context.getSequence())
  let embedding: Promise<LlamaEmbeddingContext> | undefined
  return {
    model,
    sequences,
    contextTokens: Math.min(init.contextTokens, context.contextSize),
    vramBytes: llama.gpu === false ? 0 : model.memoryUsage.vram,
    vocabulary: vocabularyOf(model),
    tokenize: (text, atStart) => {
      const tokens = tokenized(model, text)
      return atStart ? begun(model, tokens) : tokens
    },
    tokenizeWithin: (text) => model.tokenize(text, false, 'trimLeadingSpace'),
    begun: (tokens) => begun(model, tokens),
    detokenize: (tokens, before, showsControl = false) =>
      model.detokenize(tokens as Token[], showsControl, before as Token[]),
    grammar: async (format) => {
      const grammar = format === 'json' ? jsonObjectGrammar : schemaGrammar(format)
      const parsed = await llama.createGrammar({ grammar }).catch((error: Error) => {
        throw new SchemaError(`a schema that llama.cpp cannot follow: ${error.message}`)
      })
      return new LlamaGrammarEvaluationState({ model, grammar: parsed })
    },
    embeddings: async () => {
      if (init.adapters.length > 0) throw new EmbeddingError('invalid-request', adapterIgnored)
      embedding ??= model.createEmbeddingContext({
        contextSize: init.contextTokens,
        // Models that read the whole text at once need all of it in one batch.
        batchSize: init.contextTokens,
        threads: init.threads,
      })
      return embedding
    },
  }
}

/** The bindings give a context for embeddings no adapters: a vector without them would be another model's. */
const adapterIgnored =
  'this engine cannot compute embeddings of a model with an adapter: start the node with --engine llama-server, or merge the adapter into the model with llama-export-lora'

async function startLlama(init: LoadMessage): Promise<Llama> {
  return await getLlama({
    gpu: init.gpu ? 'auto' : false,
    build: 'never',
    maxThreads: init.threads,
    progressLogs: false,
    logger: (_level, message) => {
      process.stderr.write(`${message.trimEnd()}\n`)
    },
  })
}

/** llama.cpp may find out about memory only when it allocates: the estimate is not exact. */
function giveUp(error: unknown, code: LoadError['code']): never {
  const message = error instanceof Error ? error.message : String(error)
  throw new LoadError(error instanceof InsufficientMemoryError ? 'insufficient-memory' : code, message)
}

function vocabularyOf(model: LlamaModel): Vocabulary {
  const template = model.fileInfo.metadata.tokenizer?.chat_template
  return {
    chatTemplate: typeof template === 'string' && template !== '' ? template : undefined,
    bosToken: model.tokens.bosString ?? '',
    eosToken: model.tokens.eosString ?? '',
    addsBos: bosOf(model) !== undefined,
  }
}

/** A template may have written the beginning's mark itself. */
function tokenized(model: LlamaModel, text: string): readonly number[] {
  const tokens: number[] = model.tokenize(text, true)
  const bos = bosOf(model)
  return bos !== undefined && tokens[0] === bos ? tokens.slice(1) : tokens
}

function begun(model: LlamaModel, tokens: readonly number[]): readonly number[] {
  const bos = bosOf(model)
  return bos === undefined || tokens[0] === bos ? tokens : [bos, ...tokens]
}

/** The token that the model wants before every text. */
function bosOf({ tokens: { bos, shouldPrependBosToken } }: LlamaModel): number | undefined {
  return shouldPrependBosToken ? (bos ?? undefined) : undefined
}
