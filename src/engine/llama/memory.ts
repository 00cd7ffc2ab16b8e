/** How much memory a model will need, estimated from its header before anything is allocated. */
import os from 'node:os'

export interface ModelShape {
  /** Its adapters included. */
  readonly fileBytes: number
  readonly layers: number
  readonly keyValueHeads: number
  /** Values per head of a key and of a value. */
  readonly keyWidth: number
  readonly valueWidth: number
  /** Values per token between two layers. */
  readonly width: number
  /** Tokens in the vocabulary. */
  readonly vocabulary: number
}

export interface MemoryEstimate {
  readonly weightBytes: number
  readonly cacheBytes: number
  readonly computeBytes: number
  readonly totalBytes: number
}

/** Keys and values are kept as f16. */
const bytesPerCachedValue = 2
const bytesPerFloat = 4
/** Tokens per batch that llama.cpp reserves its buffers for. */
export const batchTokens = 512
/** Activations that are alive at once in one layer, in multiples of the model's width: measured generously. */
const activationsPerToken = 24
/** llama.cpp rounds a sequence's context up to a multiple of this many tokens. */
const contextStepTokens = 256

/**
 * @param contextTokens of each slot
 * @returns bytes for the weights, the cache of every slot, and one batch's activations and logits
 */
export function estimateMemory(shape: ModelShape, contextTokens: number, slots: number): MemoryEstimate {
  const context = Math.ceil(contextTokens / contextStepTokens) * contextStepTokens
  const perToken = shape.layers * shape.keyValueHeads * (shape.keyWidth + shape.valueWidth) * bytesPerCachedValue
  const cacheBytes = perToken * context * slots
  const computeBytes = batchTokens * (shape.width * activationsPerToken + shape.vocabulary) * bytesPerFloat
  return {
    weightBytes: shape.fileBytes,
    cacheBytes,
    computeBytes,
    totalBytes: shape.fileBytes + cacheBytes + computeBytes,
  }
}

/** What this process may still allocate: the host's available memory, or less inside a container. */
export function availableBytes(): number {
  return Math.min(os.freemem(), process.availableMemory())
}

/** @returns why the model does not fit, in Ollama's words and with what to do; undefined when it does */
export function memoryRefusal(estimate: MemoryEstimate, availableBytes: number): string | undefined {
  if (estimate.totalBytes <= availableBytes) return undefined
  return (
    `model requires more system memory (${gib(estimate.totalBytes)}) than is available (${gib(availableBytes)}): ` +
    `${gib(estimate.weightBytes)} for the weights, ${gib(estimate.cacheBytes)} for the context, ` +
    `${gib(estimate.computeBytes)} to compute. Use fewer slots or a smaller context, unload another model, or choose a smaller one`
  )
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
