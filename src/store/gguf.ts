/** What a GGUF file says about its model, in the terms of Ollama's answers. */
import { stat } from 'node:fs/promises'
import { quantizationName, tensorTypeName } from '../gguf/ggml-types.ts'
import { GgufError, type GgufHeader, readGgufHeader, type Tensor } from '../gguf/header.ts'
import type { ChatTemplate } from '../prompt/detect-template.ts'
import { fileError, StoreError } from './store-error.ts'

export interface GgufFacts {
  /** `general.architecture`, Ollama's model family. */
  readonly architecture: string
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
}

export interface GgufDetails {
  /** Every key as `/api/show` answers it; arrays are null unless that is verbose. */
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
  const header = await readHeader(path, 'none')
  const { values } = header
  const architecture = architectureOf(path, values)
  refuseOtherKinds(path, architecture, values)
  const parameterCount = countParameters(header.tensors)
  const template = textOf(values['tokenizer.chat_template'])
  return {
    architecture,
    parameterSize: parameterSize(parameterCount),
    quantization: quantizationName(values['general.file_type']),
    contextLength: countOf(values[`${architecture}.context_length`]),
    embeddingLength: countOf(values[`${architecture}.embedding_length`]),
    capabilities: capabilitiesOf(architecture, values),
    ...(template === undefined ? {} : { chatTemplate: template }),
  }
}

/** What only `/api/show` needs: the tensors, and the arrays where it is verbose (a vocabulary takes megabytes). Not remembered. */
export async function readGgufDetails(path: string, verbose: boolean): Promise<GgufDetails> {
  const header = await readHeader(path, verbose ? 'all' : 'none')
  return {
    modelInfo: modelInfo(header),
    tensors: header.tensors.map(({ name, type, shape }) => ({ name, type: tensorTypeName(type), shape })),
  }
}

/** The chat template of a file with what it is rendered with; undefined for a file without one. Reads the vocabulary. */
export async function readChatTemplate(path: string): Promise<ChatTemplate | undefined> {
  const { values } = await readHeader(path, 'all')
  const source = textOf(values['tokenizer.chat_template'])
  if (source === undefined) return undefined
  const tokens = values['tokenizer.ggml.tokens']
  const token = (key: string): string => {
    const id = values[`tokenizer.ggml.${key}_token_id`]
    const text: unknown = Array.isArray(tokens) && typeof id === 'number' ? tokens[id] : undefined
    return typeof text === 'string' ? text : ''
  }
  const addsBos = values['tokenizer.ggml.add_bos_token'] !== false
  return { source, bosToken: token('bos'), eosToken: token('eos'), addsBos }
}

/** What a file says of itself, whatever kind it is; its arrays as null unless `verbose`. */
export async function readGgufInfo(path: string, verbose: boolean): Promise<Record<string, unknown>> {
  return modelInfo(await readHeader(path, verbose ? 'all' : 'none'))
}

const nextSteps: Readonly<Record<GgufError['code'], string>> = {
  'not-gguf': 'Import a model in that format.',
  corrupt: 'Download it again.',
  unsupported: 'Convert it.',
}

async function readHeader(path: string, arrays: 'none' | 'all'): Promise<GgufHeader> {
  try {
    return await readGgufHeader(path, arrays)
  } catch (error) {
    if (!(error instanceof GgufError)) throw fileError('Reading', path, error)
    throw new StoreError(error.code, `${path} ${error.message}. ${nextSteps[error.code]}`, { cause: error })
  }
}

/** A count of parameters as Ollama prints it. */
export function parameterSize(count: number): string {
  if (count >= 1e9) return `${count % 1e9 === 0 ? count / 1e9 : (count / 1e9).toFixed(1)}B`
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)}M`
  if (count >= 1e3) return `${(count / 1e3).toFixed(0)}K`
  return String(count)
}

function countParameters(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
}

type Values = GgufHeader['values']

/** What a file is for; parts of a split model are models. */
export interface GgufKind {
  readonly kind: 'model' | 'projector' | 'adapter'
  readonly architecture: string
  /** Of how many a split model is made; 1 for a whole one. */
  readonly parts: number
}

/** Throws the StoreErrors of `readGgufFacts`, except that adapters, projectors and parts are known. */
export async function readGgufKind(path: string): Promise<GgufKind> {
  const { values } = await readHeader(path, 'none')
  const architecture = architectureOf(path, values)
  const kind = kindOf(architecture, values)
  if (kind === undefined) throw notModel(path, values)
  return { kind, architecture, parts: Math.max(1, countOf(values['split.count'])) }
}

function architectureOf(path: string, values: Values): string {
  const architecture = textOf(values['general.architecture'])
  if (architecture !== undefined) return architecture
  throw new StoreError('unsupported', `${path} names no architecture: it is not a model. Import the model's GGUF.`)
}

/** Undefined for a kind that this release does not know. */
function kindOf(architecture: string, values: Values): GgufKind['kind'] | undefined {
  const type = textOf(values['general.type']) ?? 'model'
  if (type === 'adapter') return 'adapter'
  if (type === 'mmproj' || type === 'projector' || architecture === 'clip') return 'projector'
  return type === 'model' ? 'model' : undefined
}

function notModel(path: string, values: Values): StoreError {
  const type = textOf(values['general.type']) ?? 'model'
  const what = type === 'model' ? 'a projector' : `of type ${type}`
  return new StoreError('unsupported', `${path} is ${what}, not a model. Import the GGUF of the model itself.`)
}

/** Adapters, projectors and parts of a split model load nowhere by themselves. */
function refuseOtherKinds(path: string, architecture: string, values: Values): void {
  if (kindOf(architecture, values) !== 'model') throw notModel(path, values)
  const parts = countOf(values['split.count'])
  if (parts > 1) {
    throw new StoreError(
      'unsupported',
      `${path} is one of ${parts} parts of a split model. Create the model from all of them, or merge them with llama-gguf-split --merge and import the result.`,
    )
  }
}

function capabilitiesOf(architecture: string, values: Values): string[] {
  const has = (key: string) => values[`${architecture}.${key}`] !== undefined
  return [
    has('pooling_type') ? 'embedding' : 'completion',
    ...(has('vision.block_count') ? ['vision'] : []),
    ...(has('audio.block_count') ? ['audio'] : []),
  ]
}

/** `/api/show` answers these elsewhere. */
const shownElsewhere = ['general.name', 'tokenizer.chat_template']

function modelInfo(header: GgufHeader): Record<string, unknown> {
  const values: Record<string, unknown> = {
    ...header.values,
    'general.parameter_count': countParameters(header.tensors),
  }
  const keys = Object.keys(values).filter((key) => !shownElsewhere.includes(key))
  return Object.fromEntries(keys.sort().map((key) => [key, values[key]]))
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}
