/**
 * What a GGUF file says about its model. Only the header is read, in steps of 2 MB, never the weights.
 * The parser takes zeros for what lies behind the end of a file, so its result is checked against the file's size.
 */
import { stat } from 'node:fs/promises'
import { GGMLFileQuantizationType, GGMLQuantizationType, GGUFValueType, gguf } from '@huggingface/gguf'
import { causeText, fileError, StoreError, systemCode } from './store-error.ts'
import { tensorBytes } from './tensor-size.ts'

export interface GgufFacts {
  /** `general.architecture`, Ollama's model family. */
  readonly architecture: string
  readonly parameterCount: number
  /** As Ollama prints it: `8.0B`, `1.54M`. */
  readonly parameterSize: string
  /** `Q4_K_M`, `F16`, …; `unknown` for a type without a name. */
  readonly quantization: string
  /** Tokens; 0 when the file does not say. */
  readonly contextLength: number
  /** Numbers in a vector; 0 when the file does not say. */
  readonly embeddingLength: number
  /** Never `tools`, `thinking` or `insert`: the node does not offer them yet. */
  readonly capabilities: readonly string[]
  /** Jinja. */
  readonly chatTemplate?: string
  /** Every key as `/api/show` answers it, arrays as null. */
  readonly modelInfo: Readonly<Record<string, unknown>>
}

export interface GgufDetails {
  readonly modelInfo: Readonly<Record<string, unknown>>
  readonly tensors: readonly { name: string; type: string; shape: readonly number[] }[]
}

/** Facts of one file that are remembered; one takes about as much memory as its chat template, some kB. */
const maxRemembered = 512

/** Facts by blob: a file under a digest never changes, unless someone repairs a damaged one, which the time shows. */
export class GgufMemory {
  readonly #facts = new Map<string, Promise<GgufFacts>>()

  /** Throws the StoreErrors of `readGgufFacts`. */
  async facts(path: string): Promise<GgufFacts> {
    const { size, mtimeMs } = await stat(path).catch((error) => {
      throw fileError('Reading', path, error)
    })
    const key = `${path}:${size}:${mtimeMs}`
    const facts = this.#facts.get(key) ?? readGgufFacts(path)
    this.#facts.delete(key)
    this.#facts.set(key, facts)
    if (this.#facts.size > maxRemembered) {
      for (const oldest of this.#facts.keys()) {
        this.#facts.delete(oldest)
        break
      }
    }
    return facts
  }
}

/**
 * The facts of a file. Throws a StoreError: `not-gguf`, `corrupt` (damaged or cut short), `unsupported` (split files
 * and files that are no model), `unwritable` (cannot be read).
 */
export async function readGgufFacts(path: string): Promise<GgufFacts> {
  const file = await parse(path)
  const values = file.metadata
  const architecture = textOf(values['general.architecture'])
  if (architecture === undefined) {
    throw new StoreError('unsupported', `${path} names no architecture: it is not a model. Import the model's GGUF.`)
  }
  refuseOtherKinds(path, architecture, values)
  const template = textOf(values['tokenizer.chat_template'])
  return {
    architecture,
    parameterCount: file.parameterCount,
    parameterSize: parameterSize(file.parameterCount),
    quantization: quantizationName(values['general.file_type']),
    contextLength: countOf(values[`${architecture}.context_length`]),
    embeddingLength: countOf(values[`${architecture}.embedding_length`]),
    capabilities: capabilitiesOf(architecture, values),
    ...(template === undefined ? {} : { chatTemplate: template }),
    modelInfo: modelInfo(file, false),
  }
}

/** What only a verbose answer needs: the arrays (a vocabulary takes megabytes) and the tensors. Not remembered. */
export async function readGgufDetails(path: string): Promise<GgufDetails> {
  const file = await parse(path)
  return {
    modelInfo: modelInfo(file, true),
    tensors: file.tensorInfos.map((tensor) => ({
      name: tensor.name,
      type: GGMLQuantizationType[tensor.dtype] ?? `type ${tensor.dtype}`,
      shape: tensor.shape.map(Number),
    })),
  }
}

/** A count of parameters as Ollama prints it. */
export function parameterSize(count: number): string {
  if (count >= 1e9) return `${count % 1e9 === 0 ? count / 1e9 : (count / 1e9).toFixed(1)}B`
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)}M`
  if (count >= 1e3) return `${(count / 1e3).toFixed(0)}K`
  return String(count)
}

interface Parsed {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly types: Readonly<Record<string, { type: GGUFValueType; subType?: GGUFValueType | undefined }>>
  readonly tensorInfos: readonly { name: string; shape: bigint[]; dtype: number; offset: bigint }[]
  readonly parameterCount: number
}

async function parse(path: string): Promise<Parsed> {
  try {
    const { size } = await stat(path)
    const file = await gguf(path, { allowLocalFile: true, typedMetadata: true, computeParametersCount: true })
    const dataStart = Number(file.tensorDataOffset)
    const neededBytes = file.tensorInfos.reduce(
      (end, tensor) => Math.max(end, dataStart + Number(tensor.offset) + tensorBytes(tensor.shape, tensor.dtype)),
      file.tensorInfos.length === 0 ? 0 : dataStart,
    )
    if (Math.max(neededBytes, file.tensorInfoByteRange[1]) > size) {
      throw damaged(path, `it has ${size} bytes where its header asks for ${neededBytes}, so it was cut short`)
    }
    const { metadata, typedMetadata, tensorInfos, parameterCount } = file
    return { metadata: { ...metadata }, types: typedMetadata, tensorInfos, parameterCount }
  } catch (error) {
    if (error instanceof StoreError) throw error
    if (systemCode(error) !== '') throw fileError('Reading', path, error)
    const cause = causeText(error)
    if (cause.includes('magic number')) throw notGguf(path, { cause: error })
    throw damaged(path, cause, { cause: error })
  }
}

/** The error for bytes that are something else altogether. */
export function notGguf(what: string, options?: ErrorOptions): StoreError {
  return new StoreError(
    'not-gguf',
    `${what} is not a GGUF file: it does not start with "GGUF". Import a model in that format.`,
    options,
  )
}

function damaged(path: string, cause: string, options?: ErrorOptions): StoreError {
  return new StoreError('corrupt', `${path} is damaged: ${cause}. Download it again.`, options)
}

/** Adapters, projectors and parts of a split model load nowhere by themselves. */
function refuseOtherKinds(path: string, architecture: string, values: Parsed['metadata']): void {
  const kind = textOf(values['general.type']) ?? 'model'
  if (kind !== 'model' || architecture === 'clip') {
    const what = kind === 'model' ? 'a projector' : `of type ${kind}`
    throw new StoreError('unsupported', `${path} is ${what}, not a model. Import the GGUF of the model itself.`)
  }
  const parts = countOf(values['split.count'])
  if (parts > 1) {
    throw new StoreError(
      'unsupported',
      `${path} is one of ${parts} parts of a split model. Merge them with llama-gguf-split --merge and import the result.`,
    )
  }
}

function capabilitiesOf(architecture: string, values: Parsed['metadata']): string[] {
  const has = (key: string) => values[`${architecture}.${key}`] !== undefined
  return [
    has('pooling_type') ? 'embedding' : 'completion',
    ...(has('vision.block_count') ? ['vision'] : []),
    ...(has('audio.block_count') ? ['audio'] : []),
  ]
}

/** Set by llama.cpp beside the type when it was guessed from the tensors. */
const guessedFileType = 1024

function quantizationName(fileType: unknown): string {
  if (typeof fileType !== 'number') return 'unknown'
  const type = fileType & ~guessedFileType
  // Ollama calls the mixture-of-experts form by the tensors' own name.
  if (type === GGMLFileQuantizationType.MXFP4_MOE) return 'MXFP4'
  return GGMLFileQuantizationType[type] ?? 'unknown'
}

/** Keys that the parser adds to those of the file, and those that `/api/show` answers elsewhere. */
const leftOut = new Set(['version', 'tensor_count', 'kv_count', 'general.name', 'tokenizer.chat_template'])

function modelInfo(file: Parsed, verbose: boolean): Record<string, unknown> {
  const shown: [string, unknown][] = Object.entries(file.metadata)
    .filter(([key]) => !leftOut.has(key))
    .map(([key, value]) => {
      if (Array.isArray(value) && !verbose) return [key, null]
      const type = file.types[key]
      return [key, plain(value, type?.subType ?? type?.type)]
    })
  shown.push(['general.parameter_count', file.parameterCount])
  return Object.fromEntries(shown.sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** A value as JSON can hold it. */
function plain(value: unknown, type: GGUFValueType | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => plain(element, type))
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' && type === GGUFValueType.FLOAT32 ? shortest(value) : value
}

/** Digits that always suffice to name a 32-bit float. */
const float32Digits = 9

/** The shortest decimal that is the same 32-bit float: 0.00001, not 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits < float32Digits; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return value
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function countOf(value: unknown): number {
  const count = typeof value === 'bigint' ? Number(value) : value
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0
}
