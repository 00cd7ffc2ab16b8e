/**
 * Brings a GGUF into the store: hashed while it is copied, named only when it is complete and sound.
 *
 * The manifest has one layer, the file itself: prompts come of the GGUF's own Jinja template, and generation ends at the
 * tokens that it names. Only `/api/create` adds a Go template where one is known, as Ollama does.
 */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { displayName, type ModelName } from '../../protocols/model-name.ts'
import { ggufMagic } from '../gguf/header.ts'
import { fill, keep, stageBytes } from './blobs.ts'
import { readGgufFacts } from './gguf.ts'
import { createFolders, type Layout, manifestPath } from './layout.ts'
import { configBytes, ggufConfig, layerOf, manifestBytes, sha256Hex } from './manifest.ts'
import { StagedFile } from './staged-file.ts'
import { fileError, renamed, StoreError } from './store-error.ts'

/**
 * Reads the source once, in bounded memory: the next chunk is taken when the last one is written.
 * Resolves when the manifest is on the disk. Throws a StoreError (`not-gguf`, `corrupt`, `unsupported`, `no-space`,
 * `interrupted`, `unwritable`) and then leaves no manifest and no partial file.
 */
export async function importGguf(
  layout: Layout,
  name: ModelName,
  source: AsyncIterable<Uint8Array>,
  inTurn: InTurn,
  onProgress?: (bytes: number) => void,
): Promise<void> {
  const shown = displayName(name)
  await createFolders(layout)
  await using model = await StagedFile.create(layout.blobs)
  const copying = { doing: `Importing ${shown}`, what: `import of ${shown}`, again: 'import it again' }
  const hex = await fill(model, ggufOnly(shown, source), copying, onProgress)
  const facts = await readGgufFacts(model.path).catch((error) => {
    // The staged file is gone when the message is read.
    throw renamed(error, model.path, `What was given for ${shown}`)
  })
  const config = configBytes(ggufConfig(facts))
  const manifest = manifestBytes(config, [layerOf('model', `sha256:${hex}`, model.sizeBytes)])
  try {
    await using stagedConfig = await stageBytes(layout, config)
    await using stagedManifest = await stageBytes(layout, manifest)
    await inTurn(async () => {
      const target = manifestPath(layout, name)
      await mkdir(dirname(target), { recursive: true })
      await keep(layout, stagedConfig, sha256Hex(config))
      await keep(layout, model, hex)
      await stagedManifest.moveTo(target)
    })
  } catch (error) {
    throw fileError(`Importing ${shown} into`, layout.root, error)
  }
}

/** Runs a change of the folder when the one before it has ended: what one names, another must not take away. */
export type InTurn = <T>(change: () => Promise<T>) => Promise<T>

/** The source, for as long as it begins as a GGUF does. */
async function* ggufOnly(name: string, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const head: number[] = []
  for await (const chunk of source) {
    if (head.length < ggufMagic.length) {
      head.push(...chunk.subarray(0, ggufMagic.length - head.length))
      if (!ggufMagic.subarray(0, head.length).equals(Buffer.from(head))) throw notGguf(name)
    }
    yield chunk
  }
  if (head.length < ggufMagic.length) throw notGguf(name)
}

/** The error for bytes that are something else altogether. */
function notGguf(name: string): StoreError {
  const what = `What was given for ${name} is not a GGUF file: it does not start with "GGUF"`
  return new StoreError('not-gguf', `${what}. Import a model in that format.`)
}
