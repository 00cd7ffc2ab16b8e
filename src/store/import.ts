/**
 * Brings a GGUF into the store: hashed while it is copied, named only when it is complete and sound.
 *
 * The manifest has one layer, the file itself. Ollama adds a Go template and its stop strings when it recognises the
 * chat template; here the GGUF's own Jinja template is used and generation ends at the tokens that the GGUF names,
 * so there is nothing to add, and the same file gives the same manifest everywhere.
 */
import { createHash } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { displayName, type ModelName } from '../../protocols/model-name.ts'
import { ggufMagic } from '../gguf/header.ts'
import { readGgufFacts } from './gguf.ts'
import { blobPath, createFolders, type Layout, manifestPath } from './layout.ts'
import { configBytes, manifestBytes, sha256Hex } from './manifest.ts'
import { StagedFile } from './staged-file.ts'
import { causeText, fileError, StoreError } from './store-error.ts'

/**
 * Reads the source once, in bounded memory: the next chunk is taken when the last one is written.
 * Resolves when the manifest is on the disk. Throws a StoreError (`not-gguf`, `corrupt`, `unsupported`, `no-space`,
 * `interrupted`, `unwritable`) and then leaves no manifest and no partial file.
 */
export async function importGguf(
  layout: Layout,
  name: ModelName,
  source: AsyncIterable<Uint8Array>,
  onProgress?: (bytes: number) => void,
): Promise<void> {
  await createFolders(layout)
  await using model = await StagedFile.create(layout.blobs)
  const hex = await copy(displayName(name), source, model, onProgress)
  const facts = await readGgufFacts(model.path).catch((error) => {
    throw renamed(error, model.path, displayName(name))
  })
  const config = configBytes(facts)
  const manifest = manifestBytes(config, { hex, sizeBytes: model.sizeBytes })
  try {
    await using stagedConfig = await stage(layout, config)
    await using stagedManifest = await stage(layout, manifest)
    const target = manifestPath(layout, name)
    await mkdir(dirname(target), { recursive: true })
    await keep(layout, stagedConfig, sha256Hex(config))
    await keep(layout, model, hex)
    await stagedManifest.moveTo(target)
  } catch (error) {
    throw fileError(`Importing ${displayName(name)} into`, layout.root, error)
  }
}

/** The error for bytes that are something else altogether. */
function notGguf(name: string): StoreError {
  const what = `What was given for ${name} is not a GGUF file: it does not start with "GGUF"`
  return new StoreError('not-gguf', `${what}. Import a model in that format.`)
}

/** Copies the source into the staged file; its SHA-256 in hex. */
async function copy(
  name: string,
  source: AsyncIterable<Uint8Array>,
  model: StagedFile,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  const head: number[] = []
  for await (const chunk of interruptible(name, source)) {
    if (head.length < ggufMagic.length) {
      head.push(...chunk.subarray(0, ggufMagic.length - head.length))
      if (!ggufMagic.subarray(0, head.length).equals(Buffer.from(head))) throw notGguf(name)
    }
    await written(name, model, () => model.write(chunk, (slice) => hash.update(slice)))
    onProgress?.(model.sizeBytes)
  }
  if (head.length < ggufMagic.length) throw notGguf(name)
  await written(name, model, () => model.seal())
  return hash.digest('hex')
}

/** The source, with its failures told apart from those of our own disk. */
async function* interruptible(name: string, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    throw new StoreError(
      'interrupted',
      `The import of ${name} was interrupted: ${causeText(error)}. Nothing was kept; import it again.`,
      { cause: error },
    )
  }
}

async function written(name: string, model: StagedFile, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw fileError(`Importing ${name} (${model.sizeBytes} bytes so far) into`, dirname(model.path), error)
  }
}

async function stage(layout: Layout, bytes: Buffer): Promise<StagedFile> {
  const staged = await StagedFile.create(layout.blobs)
  try {
    await staged.write(bytes)
    await staged.seal()
    return staged
  } catch (error) {
    await staged[Symbol.asyncDispose]()
    throw error
  }
}

/** Names a blob by its digest. One that is there with the same size is the same; another size is a damaged one. */
async function keep(layout: Layout, staged: StagedFile, hex: string): Promise<void> {
  const path = blobPath(layout, `sha256:${hex}`)
  const present = await stat(path).catch(() => undefined)
  if (present?.size !== staged.sizeBytes) await staged.moveTo(path)
}

/** The staged file is gone when the message is read: it names what the person gave instead. */
function renamed(error: unknown, path: string, name: string): unknown {
  if (!(error instanceof StoreError)) return error
  return new StoreError(error.code, error.message.replaceAll(path, `What was given for ${name}`), { cause: error })
}
