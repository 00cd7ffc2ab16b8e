/** The model of a creation with weights of the type that was asked for. */
import { createHash } from 'node:crypto'
import { checkSpace, seal } from './blobs.ts'
import type { Creation, DraftLayer, Parts } from './creation.ts'
import { readGgufFacts } from './gguf.ts'
import { blobPath } from './layout.ts'
import { layerOf, layersOf } from './manifest.ts'
import { StagedFile } from './staged-file.ts'
import { causeText, StoreError } from './store-error.ts'

const quantizable = ['F16', 'BF16', 'F32']
const quantizations = ['F32', 'F16', 'BF16', 'Q4_K_S', 'Q4_K_M', 'Q8_0']

const copying = { doing: 'Quantizing', what: 'quantizing', again: 'create the model again' }

/** The parts as they are where nothing else was asked for. What is staged goes to `stagedFiles`. Throws a StoreError. */
export async function quantized(creation: Creation, parts: Parts, stagedFiles: AsyncDisposableStack): Promise<Parts> {
  const { request, layout, onStatus } = creation
  const present = parts.config.file_type ?? 'unknown'
  const type = wantedType(request.quantize, present)
  const [model] = layersOf(parts, 'model') as readonly DraftLayer[]
  if (type === undefined || model === undefined) return parts
  onStatus(`quantizing ${present} model to ${type}`)
  // No type takes more than twice what the smallest of those that may be quantized takes.
  await checkSpace(layout.blobs, 2 * model.size)
  const staged = stagedFiles.use(await StagedFile.create(layout.blobs))
  await creation.quantize(model.staged?.path ?? blobPath(layout, model.digest), staged.path, type).catch(refuse)
  onStatus('verifying conversion')
  const hash = createHash('sha256')
  await staged.adopt((slice) => hash.update(slice))
  await seal(staged, copying)
  const { quantization } = await readGgufFacts(staged.path)
  const layer = { ...layerOf('model', `sha256:${hash.digest('hex')}`, staged.sizeBytes), staged }
  return {
    ...parts,
    layers: parts.layers.map((other) => (other === model ? layer : other)),
    config: { ...parts.config, file_type: quantization },
  }
}

/** Undefined: it is so already, or may stay what it is. */
function wantedType(wanted: string | undefined, present: string): string | undefined {
  if (!wanted) return undefined
  const type = wanted.toUpperCase() === 'Q4_K' ? 'Q4_K_M' : wanted.toUpperCase()
  if (!quantizations.includes(type)) {
    const words = 'supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0'
    throw new StoreError('unsupported', `unsupported quantization type ${type} - ${words}`)
  }
  if (!quantizable.includes(present))
    throw new StoreError('unsupported', 'quantization is only supported for F16, BF16 and F32 models')
  return type === present ? undefined : type
}

function refuse(error: Error & { readonly code?: string }): never {
  const code = error.code === 'unsupported' ? 'unsupported' : 'unwritable'
  throw new StoreError(code, causeText(error), { cause: error })
}
