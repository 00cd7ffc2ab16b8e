/** What a GGUF's header says, checked against the file before any native code sees it. */
import { stat } from 'node:fs/promises'
import { type GGUFParseOutput, gguf } from '@huggingface/gguf'
import type { ModelFile } from '../../../actors/provisions.ts'
import { EngineError } from '../driver.ts'
import type { ModelShape } from './memory.ts'

/** Values per block and bytes per block of each tensor type, by its number in the file; `ggml.h` is the record. */
const tensorTypes: Readonly<Record<number, readonly [values: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  15: [256, 292],
  16: [256, 66],
  17: [256, 74],
  18: [256, 98],
  19: [256, 50],
  20: [32, 18],
  21: [256, 110],
  22: [256, 82],
  23: [256, 136],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  27: [1, 8],
  28: [1, 8],
  29: [256, 56],
  30: [1, 2],
  34: [256, 54],
  35: [256, 66],
  39: [32, 17],
}

/**
 * Reads and checks the header.
 * @throws EngineError `model-unusable` when the file is missing, is no GGUF, or ends before its tensors do
 */
export async function readHeader(model: ModelFile): Promise<ModelShape> {
  let fileBytes: number
  let header: GGUFParseOutput
  try {
    fileBytes = (await stat(model.path)).size
    header = await gguf(model.path, { allowLocalFile: true })
  } catch (error) {
    throw unusable(model, error instanceof Error ? error.message : String(error), error)
  }
  const endBytes = tensorEnd(header)
  if (endBytes > fileBytes) {
    throw unusable(
      model,
      `the file is truncated: its tensors end at byte ${endBytes} and the file at byte ${fileBytes}`,
    )
  }
  return shapeOf({ ...header.metadata }, fileBytes)
}

/** Where the last tensor ends. A tensor of a type that is not listed above counts with its beginning only. */
function tensorEnd(header: GGUFParseOutput): number {
  let end = 0
  for (const tensor of header.tensorInfos) {
    const values = tensor.shape.reduce((product, dimension) => product * Number(dimension), 1)
    const [blockValues, blockBytes] = tensorTypes[tensor.dtype] ?? [1, 0]
    end = Math.max(end, Number(tensor.offset) + Math.ceil(values / blockValues) * blockBytes)
  }
  return Number(header.tensorDataOffset) + end
}

function shapeOf(metadata: Readonly<Record<string, unknown>>, fileBytes: number): ModelShape {
  const architecture = String(metadata['general.architecture'] ?? '')
  const value = (name: string): number | undefined => largest(metadata[`${architecture}.${name}`])
  const width = value('embedding_length') ?? 0
  const heads = Math.max(1, value('attention.head_count') ?? 1)
  return {
    fileBytes,
    layers: value('block_count') ?? 0,
    keyValueHeads: value('attention.head_count_kv') ?? heads,
    keyWidth: value('attention.key_length') ?? width / heads,
    valueWidth: value('attention.value_length') ?? width / heads,
    width,
    vocabulary: tokenCount(metadata),
    trainedContextTokens: value('context_length') ?? 0,
  }
}

/** A number, or the largest of a list that gives one per layer. */
function largest(value: unknown): number | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
  if (!Array.isArray(value) || value.length === 0) return undefined
  return value.reduce((most: number, item) => Math.max(most, Number(item)), 0)
}

function tokenCount(metadata: Readonly<Record<string, unknown>>): number {
  const tokens = metadata['tokenizer.ggml.tokens']
  return Array.isArray(tokens) ? tokens.length : 0
}

/** The error for a file that cannot be used, with what to do about it. */
export function unusable(model: ModelFile, cause: string, error?: unknown): EngineError {
  return new EngineError(
    'model-unusable',
    `cannot load ${model.name} from ${model.path}: ${cause}. Import or pull the model again; the file on disk is not usable`,
    error === undefined ? undefined : { cause: error },
  )
}
