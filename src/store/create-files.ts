/** What the files of a new model are: one GGUF or the parts of one, a projector beside it, an adapter. */
import { parseDigest } from '../../protocols/digest.ts'
import { mergeGguf } from '../gguf/merge.ts'
import { blobSize, checkSpace, fill } from './blobs.ts'
import type { Creation, DraftLayer, Parts } from './creation.ts'
import { type GgufFacts, type GgufKind, readGgufFacts, readGgufKind } from './gguf.ts'
import { blobPath, type Layout } from './layout.ts'
import { ggufConfig, layerOf } from './manifest.ts'
import { StagedFile } from './staged-file.ts'
import { causeText, renamed, StoreError } from './store-error.ts'

/** Files of one model; the largest that are published split have some forty. */
const maxFiles = 1024

interface GivenFile extends GgufKind {
  readonly file: string
  readonly digest: string
  readonly path: string
  readonly size: number
}

/** The layers and the config of a model that is made of files. What is staged goes to `stagedFiles`. */
export async function partsOfFiles(creation: Creation, stagedFiles: AsyncDisposableStack): Promise<Parts> {
  const given = await examine(creation, creation.request.files)
  const models = given.filter(({ kind }) => kind === 'model')
  const adapter = given.find(({ kind }) => kind === 'adapter')
  if (adapter !== undefined) throw refused(`${adapter.file} is an adapter: give it as one, beside the model it is for`)
  const first = models[0]
  if (first === undefined) throw refused('none of the files is a model: give the GGUF of the model as well')
  const { layer, facts } = await modelOf(creation, models, first, stagedFiles)
  const projectors = given.filter(({ kind }) => kind === 'projector')
  const config = ggufConfig(facts)
  const families = [...(config.model_families ?? []), ...projectors.map(({ architecture }) => architecture)]
  return {
    layers: [layer, ...projectors.map(({ digest, size }) => layerOf('projector', digest, size))],
    config: { ...config, model_families: [...new Set(families)] },
    parameters: {},
  }
}

/** The layer of the adapter that a request names; undefined when it names none. */
export async function adapterOf(creation: Creation): Promise<DraftLayer | undefined> {
  const { adapters } = creation.request
  if (Object.keys(adapters).length === 0) return undefined
  if (Object.keys(adapters).length > 1) throw refused('only one adapter is currently supported')
  const [given] = await examine(creation, adapters)
  if (given?.kind !== 'adapter') throw refused(`${given?.file} is not an adapter: give the GGUF of a LoRA adapter`)
  return layerOf('adapter', given.digest, given.size)
}

async function modelOf(
  creation: Creation,
  models: readonly GivenFile[],
  first: GivenFile,
  stagedFiles: AsyncDisposableStack,
): Promise<{ layer: DraftLayer; facts: GgufFacts }> {
  if (first.parts > 1) return merged(creation, models, stagedFiles)
  const other = models[1]
  if (other !== undefined) throw refused(`${first.file} and ${other.file} are both models: a model is made of one`)
  const facts = await readGgufFacts(first.path).catch((error) => {
    throw renamed(error, first.path, first.file)
  })
  return { layer: layerOf('model', first.digest, first.size), facts }
}

/** The parts of a split model as one file. */
async function merged({ layout }: Creation, parts: readonly GivenFile[], stagedFiles: AsyncDisposableStack) {
  const sizeBytes = parts.reduce((sum, { size }) => sum + size, 0)
  await checkSpace(layout.blobs, sizeBytes)
  const staged = stagedFiles.use(await StagedFile.create(layout.blobs))
  const copying = { doing: 'Merging the parts', what: 'merging of the parts', again: 'create the model again' }
  const source = ownErrors(mergeGguf(parts.map(({ path }) => path)))
  const hex = await fill(staged, source, copying)
  const facts = await readGgufFacts(staged.path).catch((error) => {
    throw renamed(error, staged.path, 'What the parts make')
  })
  return { layer: { ...layerOf('model', `sha256:${hex}`, staged.sizeBytes), staged }, facts }
}

/** What is wrong with the parts is not an interruption. */
async function* ownErrors(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* source
  } catch (error) {
    throw new StoreError('corrupt', `the split model ${causeText(error)}`, { cause: error })
  }
}

/** Reads what each file is, in the order of their names, before anything is said about the first. */
async function examine(creation: Creation, files: Readonly<Record<string, string>>): Promise<readonly GivenFile[]> {
  const names = Object.keys(files).sort()
  if (names.length === 0) throw refused('no files provided to convert')
  if (names.length > maxFiles) throw refused(`there are ${names.length} files: a model is made of at most ${maxFiles}`)
  const given: GivenFile[] = []
  for (const file of names) given.push(await examineOne(creation.layout, file, files[file] ?? ''))
  for (const _ of given) creation.onStatus('parsing GGUF')
  return given
}

async function examineOne(layout: Layout, file: string, text: string): Promise<GivenFile> {
  if (/\.safetensors$/i.test(file)) {
    throw refused(
      `${file}: this node makes models of GGUF files. Convert it with llama.cpp's convert_hf_to_gguf.py and create the model from the result`,
    )
  }
  const digest = parseDigest(text)
  if (digest === undefined) throw refused('invalid digest format')
  const path = blobPath(layout, digest)
  const size = await blobSize(layout, digest)
  if (size === undefined) {
    throw new StoreError('absent', `blob ${digest} of ${file} is not here: send it to /api/blobs/${digest} first`)
  }
  const kind = await readGgufKind(path).catch((error) => {
    if (error instanceof StoreError && error.code === 'not-gguf') throw notGguf(file)
    throw renamed(error, path, file)
  })
  return { file, digest, path, size, ...kind }
}

/** In Ollama's words, which depend on what the file is called. */
function notGguf(file: string): StoreError {
  const words = /\.gguf$/i.test(file) ? 'supplied file was not in GGUF format' : 'unknown type'
  return new StoreError('not-gguf', words)
}

const refused = (words: string): StoreError => new StoreError('unsupported', words)
