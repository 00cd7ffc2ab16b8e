/** The models on this node's disk. The folder is the record: nothing is remembered that a file does not say. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  BlobUpload,
  DiskUsage,
  ModelCatalog,
  ModelFile,
  ModelFiles,
  ModelMaker,
  NewModel,
  Quantize,
  ReadableBlob,
  ShownInstead,
} from '../../actors/model-catalog.ts'
import { displayName, fullName, type ModelName, parseModelName, sameName } from '../../protocols/model-name.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { StagedUpload } from './blob-upload.ts'
import { hasBlob, openBlob, writeBlob } from './blobs.ts'
import { capabilitiesOf } from './capabilities.ts'
import { copyManifest, removeModel, writeManifest } from './change.ts'
import { collectUnnamed, digestsOf, isOwn, removeFreed } from './collect.ts'
import { createModel } from './create.ts'
import { GgufMemory } from './gguf.ts'
import { type InTurn, importGguf } from './import.ts'
import { blobPath, createFolders, type Layout, layoutAt, manifestPath } from './layout.ts'
import { type Config, layersOf, type Manifest, readConfig, readManifest, usableManifest } from './manifest.ts'
import { chatMessage, readMessages } from './own-messages.ts'
import { readParameters, readTexts, showModel } from './show.ts'
import { removeAbandoned } from './staged-file.ts'
import { causeText, fileError, StoreError, type StoreErrorCode, systemCode } from './store-error.ts'
import { heldModel, newestFirst, type StoredModel } from './stored-model.ts'
import { diskUsage } from './usage.ts'

/** Manifests that one walk reads: far more than disks hold models, and a bound for a folder that is something else. */
const maxManifests = 10_000

/** Of a version that is still named but whose files are no longer what they were. */
const damages: ReadonlySet<StoreErrorCode> = new Set(['corrupt', 'not-gguf', 'unsupported'])

/** A manifest that is not listed, and why. */
export interface StoreProblem {
  /** Display form of the name, or the path where that is no name. */
  readonly name: string
  readonly path: string
  readonly message: string
}

export interface Catalog extends ModelCatalog, ModelMaker {
  /** What the last `list` left out. */
  problems(): readonly StoreProblem[]
}

export interface CatalogOptions {
  /** Default: this release has none of its own. */
  readonly quantize?: Quantize
  /** Inside this data folder the models folder is the node's own, and what no model names in it goes; default: it stays. */
  readonly data?: string
}

/** A models folder that others may put finished blobs into. */
export interface ModelsFolder extends Catalog, ModelFiles {
  readonly layout: Layout
}

/**
 * Opens a models folder, an Ollama's own included, and creates what is missing of it. Removes what imports by killed
 * processes left. Throws a StoreError when the folder cannot be created or read.
 */
export async function openCatalog(
  folder: string,
  { data, quantize = noQuantizer }: CatalogOptions = {},
): Promise<ModelsFolder> {
  const layout = layoutAt(folder)
  await createFolders(layout)
  await removeAbandoned(layout.blobs)
  const own = data !== undefined && (await isOwn(layout.root, data))
  if (own) await collectUnnamed(layout, Date.now())
  return new FolderCatalog(layout, own, quantize)
}

const noQuantizer: Quantize = () =>
  Promise.reject(
    new StoreError(
      'unsupported',
      'this node cannot quantize: make the file with llama-quantize and create the model from that',
    ),
  )

interface Remembered {
  readonly name: ModelName
  readonly stamp: string
  readonly digest: string
  readonly manifest: Manifest
  readonly config: Config
  /** The template layer. */
  readonly goTemplate: string | undefined
  /** Worked out once: it takes reading the templates. */
  capabilities?: readonly string[]
}

class FolderCatalog implements ModelsFolder {
  readonly layout: Layout
  readonly #memory = new GgufMemory()
  /** By manifest path; an entry holds as long as the manifest's stamp does. */
  #remembered: ReadonlyMap<string, Remembered> = new Map()
  #problems: readonly StoreProblem[] = []
  readonly #own: boolean
  readonly #quantize: Quantize
  #changing: Promise<unknown> = Promise.resolve()

  constructor(layout: Layout, own: boolean, quantize: Quantize) {
    this.#quantize = quantize
    this.layout = layout
    this.#own = own
  }

  problems(): readonly StoreProblem[] {
    return this.#problems
  }

  async list(): Promise<readonly HeldModel[]> {
    const models = await this.#walk()
    return models.map(heldModel).sort(newestFirst)
  }

  async find(digest: string): Promise<ModelFile | undefined> {
    const model =
      (await this.#lastSeen(digest)) ?? (await this.#walk()).find((candidate) => candidate.digest === digest)
    if (model === undefined) return undefined
    return await this.#fileOf(model)
  }

  async #fileOf({ digest, name, manifest, config, path, capabilities, facts }: StoredModel): Promise<ModelFile> {
    const pathOf = (layerDigest: string) => blobPath(this.layout, layerDigest)
    const [[system], [template], messages, parameters] = await Promise.all([
      readTexts(manifest, 'system', pathOf),
      readTexts(manifest, 'template', pathOf),
      readMessages(manifest, pathOf),
      readParameters(manifest, pathOf),
    ])
    const { renderer, parser, model_family, model_families } = config
    const adapters = layersOf(manifest, 'adapter').map((layer) => pathOf(layer.digest))
    const families = [model_family ?? '', ...(model_families ?? [])].filter((family) => family !== '')
    return {
      digest,
      name: displayName(name),
      path,
      sizeBytes: layersOf(manifest, 'model')[0]?.size ?? 0,
      parameters,
      families: [...new Set(families)],
      ...(adapters.length === 0 ? {} : { adapters }),
      ...(capabilities.includes('vision') ? { sees: true } : {}),
      ...(facts.contextLength > 0 ? { trainedTokens: facts.contextLength } : {}),
      ...(system === undefined ? {} : { system }),
      ...(template === undefined ? {} : { template }),
      ...(messages.length === 0 ? {} : { messages: messages.map(chatMessage) }),
      ...(renderer === undefined ? {} : { renderer }),
      ...(parser === undefined ? {} : { parser }),
    }
  }

  async show(name: string, verbose: boolean, instead: ShownInstead = {}): Promise<Record<string, unknown> | undefined> {
    const wanted = parseModelName(name)
    if (wanted === undefined) return undefined
    const model = pick(await this.#walk(), wanted)
    if (model === undefined) return undefined
    return showModel(model, (digest) => blobPath(this.layout, digest), { verbose, ...instead })
  }

  async importGguf(
    name: string,
    source: AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Promise<HeldModel> {
    const target = await this.#spelling(name)
    await importGguf(this.layout, target, source, (change) => this.#replace(target, change), onProgress)
    return heldModel(await this.#read(target, new Map()))
  }

  hasBlob(digest: string): Promise<boolean> {
    return hasBlob(this.layout, digest)
  }

  writeBlob(digest: string, source: AsyncIterable<Uint8Array>, sizeBytes: number | undefined): Promise<void> {
    return writeBlob(this.layout, digest, source, sizeBytes)
  }

  async create(request: NewModel, onStatus: (status: string) => void): Promise<void> {
    const name = await this.#spelling(request.name)
    const find = (from: string) => this.#base(from)
    const inTurn: InTurn = (change) => this.#replace(name, change)
    await createModel({ layout: this.layout, name, request, find, inTurn, quantize: this.#quantize, onStatus })
  }

  /** The model that another one begins with. Throws a StoreError when it is not here or cannot be used. */
  async #base(from: string): Promise<StoredModel> {
    const known = await this.#known(from)
    if (known === undefined) throw new StoreError('absent', `model '${displayName(parsed(from))}' not found`)
    return this.#read(known, new Map())
  }

  async copy(source: string, destination: string): Promise<boolean> {
    const target = await this.#spelling(destination)
    return this.#replace(target, async () => {
      const known = await this.#known(source)
      if (known !== undefined) await copyManifest(this.layout, known, target)
      return known !== undefined
    })
  }

  remove(name: string): Promise<boolean> {
    return this.#inTurn(() => this.#remove(name))
  }

  /** One change after another: each must see what the one before it left, or two would keep or take what they must not. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changing = this.#changing.then(change)
    this.#changing = changing.catch(() => undefined)
    return changing
  }

  async manifest(digest: string): Promise<Uint8Array | undefined> {
    const seen = [...this.#remembered.values()].filter((known) => known.digest === digest).map(({ name }) => name)
    let failure: StoreError | undefined
    for (const names of [seen, await this.#names()]) {
      for (const name of names) {
        const read = await readManifest(manifestPath(this.layout, name)).catch((error: StoreError) => {
          // One that cannot be read is a problem of the list, not of whoever asks for another.
          if (names === seen && systemCode(error.cause) !== 'ENOENT') failure = error
          return undefined
        })
        if (read?.digest === digest) return read.bytes
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  blob(digest: string): Promise<ReadableBlob | undefined> {
    return openBlob(this.layout, digest)
  }

  async usage(): Promise<DiskUsage> {
    return diskUsage(this.layout, await this.#names())
  }

  beginUpload(): Promise<BlobUpload> {
    return StagedUpload.begin(this.layout)
  }

  async keepManifest(name: string, bytes: Uint8Array): Promise<boolean> {
    const target = await this.#spelling(name)
    const manifest = usableManifest(displayName(target), bytes)
    const { freed } = await this.#replaced(target, async () => {
      await this.#checkFiles(manifest)
      await writeManifest(this.layout, target, Buffer.from(bytes)).catch((error: unknown) => {
        throw fileError(`Writing the manifest of ${displayName(target)} into`, this.layout.root, error)
      })
    })
    return freed
  }

  async #replace<T>(name: ModelName, change: () => Promise<T>): Promise<T> {
    return (await this.#replaced(name, change)).changed
  }

  /** Changes what a name means. In a folder of our own, what only its last version needed goes with it. */
  #replaced<T>(name: ModelName, change: () => Promise<T>): Promise<{ readonly changed: T; readonly freed: boolean }> {
    return this.#inTurn(async () => {
      const before = this.#own ? await digestsOf(this.layout, name).catch(() => new Set<string>()) : new Set<string>()
      const changed = await change()
      // The change is made, whatever becomes of this: what stays now goes when the folder is next opened.
      const freed = await removeFreed(this.layout, before, await this.#names()).catch(() => false)
      return { changed, freed }
    })
  }

  async #remove(name: string): Promise<boolean> {
    const known = await this.#known(name)
    if (known === undefined) return false
    const others = (await this.#names()).filter((other) => fullName(other) !== fullName(known))
    await removeModel(this.layout, known, others)
    return true
  }

  /** A name as it stands on the disk, in whatever case it is asked for. */
  async #known(name: string): Promise<ModelName | undefined> {
    const wanted = parsed(name)
    return (await this.#names()).find((present) => sameName(present, wanted))
  }

  /** A name in the spelling that it has already, else as it is given. */
  async #spelling(name: string): Promise<ModelName> {
    return (await this.#known(name)) ?? parsed(name)
  }

  /**
   * The version where it was last seen, when it is still there: spares a walk for each load. Throws a StoreError when
   * its file has been damaged since.
   */
  async #lastSeen(digest: string): Promise<StoredModel | undefined> {
    let damage: StoreError | undefined
    for (const { name, digest: seen } of this.#remembered.values()) {
      if (seen !== digest) continue
      try {
        const model = await this.#read(name, new Map())
        if (model.digest === digest) return model
      } catch (error) {
        if (!(error instanceof StoreError) || !damages.has(error.code)) continue
        damage = new StoreError(error.code, `${displayName(name)} cannot be used: ${error.message}`, { cause: error })
      }
    }
    if (damage !== undefined) throw damage
    return undefined
  }

  /** Every complete model; what is wrong with the others goes to `problems`. */
  async #walk(): Promise<StoredModel[]> {
    const models: StoredModel[] = []
    const problems: StoreProblem[] = []
    const remembered = new Map<string, Remembered>()
    for (const name of await this.#names()) {
      try {
        models.push(await this.#read(name, remembered))
      } catch (error) {
        const path = manifestPath(this.layout, name)
        problems.push({ name: displayName(name), path, message: causeText(error) })
      }
    }
    this.#remembered = remembered
    this.#problems = problems
    return models
  }

  /** The names that manifests lie under; anything else in the folder is none of ours. */
  async #names(): Promise<ModelName[]> {
    const names: ModelName[] = []
    const root = this.layout.manifests
    for (const host of await folderEntries(root)) {
      for (const namespace of await folderEntries(join(root, host))) {
        for (const model of await folderEntries(join(root, host, namespace))) {
          for (const tag of await folderEntries(join(root, host, namespace, model))) {
            const name = parseModelName(`${host}/${namespace}/${model}:${tag}`)
            if (name !== undefined && names.length < maxManifests) names.push(name)
          }
        }
      }
    }
    return names
  }

  /** One model, its manifest read only when it changed. Throws a StoreError that says why it cannot be used. */
  async #read(name: ModelName, remembered: Map<string, Remembered>): Promise<StoredModel> {
    const path = manifestPath(this.layout, name)
    const status = await stat(path, { bigint: true })
    const stamp = `${status.mtimeNs}:${status.size}:${status.ino}`
    const known = this.#remembered.get(path)
    const entry = known?.stamp === stamp ? known : { name, stamp, ...(await this.#readFiles(path)) }
    await this.#checkBlobs(entry.manifest)
    const [layer] = layersOf(entry.manifest, 'model')
    if (layer === undefined)
      throw new StoreError('unsupported', `${path} has no GGUF layer. Pull a GGUF version of it.`)
    const blob = blobPath(this.layout, layer.digest)
    const facts = await this.#memory.facts(blob)
    remembered.set(path, entry)
    entry.capabilities ??= capabilitiesOf({ ...entry, facts })
    const { digest, manifest, config, capabilities } = entry
    return { name, digest, manifest, config, capabilities, facts, path: blob, modifiedAtMs: Number(status.mtimeMs) }
  }

  async #readFiles(path: string): Promise<Omit<Remembered, 'name' | 'stamp'>> {
    const { manifest, digest } = await readManifest(path)
    const config = await readConfig(blobPath(this.layout, manifest.config.digest))
    const [goTemplate] = await readTexts(manifest, 'template', (layer) => blobPath(this.layout, layer))
    return { manifest, digest, config, goTemplate }
  }

  /** Whether the list could show it: nothing gets a name that nobody could use. */
  async #checkFiles(manifest: Manifest): Promise<void> {
    await this.#checkBlobs(manifest)
    await readConfig(blobPath(this.layout, manifest.config.digest))
    for (const { digest } of layersOf(manifest, 'model')) await this.#memory.facts(blobPath(this.layout, digest))
  }

  async #checkBlobs(manifest: Manifest): Promise<void> {
    for (const { digest, size } of [manifest.config, ...manifest.layers]) {
      const path = blobPath(this.layout, digest)
      const present = await stat(path).catch(() => undefined)
      if (present === undefined) throw new StoreError('corrupt', `${path} is missing. Pull or import the model again.`)
      if (present.size !== size) {
        throw new StoreError(
          'corrupt',
          `${path} has ${present.size} bytes instead of ${size}. Remove it and pull or import the model again.`,
        )
      }
    }
  }
}

/** Throws a StoreError where the text is no name. */
function parsed(name: string): ModelName {
  const wanted = parseModelName(name)
  if (wanted !== undefined) return wanted
  throw new StoreError('invalid-name', `${JSON.stringify(name)} is not a model name. Use [namespace/]model[:tag].`)
}

/** The model that a name means: its exact spelling where a case-sensitive disk holds several. */
function pick(models: readonly StoredModel[], wanted: ModelName): StoredModel | undefined {
  const matches = models.filter((model) => sameName(model.name, wanted))
  return matches.find((model) => displayName(model.name) === displayName(wanted)) ?? matches[0]
}

/** The names in a folder, sorted; none when it is a file or went away. */
async function folderEntries(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort()
  } catch (error) {
    if (['ENOTDIR', 'ENOENT'].includes(systemCode(error))) return []
    throw fileError('Reading', path, error)
  }
}
