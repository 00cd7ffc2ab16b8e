/** What the header of a model says, and those of its adapters, checked before any native code sees the files. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import { GgufError, type GgufHeader, readGgufHeader } from '../../gguf/header.ts'
import { EngineError } from '../driver.ts'
import { mismatchOf } from './adapter.ts'
import type { ModelShape } from './memory.ts'

/**
 * Reads and checks the headers.
 * @throws EngineError `model-unusable` when a file is missing, is no GGUF, or ends before its tensors do, and for an
 * adapter that does not fit the model
 */
export async function readHeader(model: ModelFile): Promise<ModelShape> {
  const header = await readGgufHeader(model.path, 'short').catch((error: unknown) => {
    throw unusable(model, causeOf(error), error)
  })
  let adapterBytes = 0
  for (const path of model.adapters ?? []) {
    const adapter = await readGgufHeader(path, 'none').catch((error: unknown) => {
      throw unusableAdapter(model, path, causeOf(error), error)
    })
    const mismatch = mismatchOf(adapter, header)
    if (mismatch !== undefined) throw unusableAdapter(model, path, mismatch)
    adapterBytes += adapter.fileBytes
  }
  return shapeOf(header, adapterBytes)
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.message : String(error)
  return error instanceof GgufError ? `the file ${cause}` : cause
}

function shapeOf({ values, tensors, fileBytes }: GgufHeader, adapterBytes: number): ModelShape {
  const architecture = String(values['general.architecture'] ?? '')
  const value = (name: string): number | undefined => largest(values[`${architecture}.${name}`])
  const width = value('embedding_length') ?? 0
  const heads = Math.max(1, value('attention.head_count') ?? 1)
  return {
    fileBytes: fileBytes + adapterBytes,
    layers: value('block_count') ?? 0,
    keyValueHeads: value('attention.head_count_kv') ?? heads,
    keyWidth: value('attention.key_length') ?? width / heads,
    valueWidth: value('attention.value_length') ?? width / heads,
    width,
    // One row of the embedding per token: the token list itself is long and not read.
    vocabulary: tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1] ?? 0,
  }
}

/** A number, or the largest of a list that gives one per layer. */
function largest(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (!Array.isArray(value) || value.length === 0) return undefined
  return value.reduce((most: number, item) => Math.max(most, Number(item)), 0)
}

/** The error for a file that cannot be used, with what to do about it. */
export function unusable(model: ModelFile, cause: string, error?: unknown): EngineError {
  return new EngineError(
    'model-unusable',
    `cannot load ${model.name} from ${model.path}: ${cause}. Import or pull the model again; the file on disk is not usable`,
    error === undefined ? undefined : { cause: error },
  )
}

function unusableAdapter(model: ModelFile, path: string, cause: string, error?: unknown): EngineError {
  return new EngineError(
    'model-unusable',
    `cannot load ${model.name} with its adapter ${path}: ${cause}. Create the model again with a LoRA adapter that was made for it, or without one`,
    error === undefined ? undefined : { cause: error },
  )
}
