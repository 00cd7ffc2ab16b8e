/** A model version on disk, and what the store offers the actors about them. */
import type { ChatMessage } from '../protocols/chat.ts'
import type { HeldModel } from '../protocols/report.ts'

/** A model version on this node's disk: what an engine needs to load it. */
export interface ModelFile {
  /** SHA-256 of the manifest, hex. */
  readonly digest: string
  /** Shortest display form with tag. */
  readonly name: string
  /** The GGUF blob. */
  readonly path: string
  readonly sizeBytes: number
  /** GGUF blobs of LoRA adapters, all of which are applied to the weights. */
  readonly adapters?: readonly string[]
  /** It looks at images. */
  readonly sees?: boolean
  /** Tokens that it was trained to read at once; absent: its file does not say. */
  readonly trainedTokens?: number
  /** The params layer: options by Ollama's names. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** The system layer. */
  readonly system?: string
  /** The template layer: a Go template. */
  readonly template?: string
  /** The messages layer: what every conversation begins with. */
  readonly messages?: readonly ChatMessage[]
  /** What the configuration calls the model's family, the most telling first. */
  readonly families?: readonly string[]
  /** Ollama's names of a way to render and to read that is its own. */
  readonly renderer?: string
  readonly parser?: string
}

/** What a request of `/api/show` wants shown instead of what the model says. */
export interface ShownInstead {
  readonly system?: string
  /** Options by Ollama's names: in the modelfile alone, as Ollama has it. */
  readonly options?: Readonly<Record<string, unknown>>
}

/** What the store offers the models actor. Every method rejects with a StoreError that names the file and the next step. */
export interface ModelCatalog {
  /** All complete models on disk, newest first. Re-reads manifests, so changes by others show up. */
  list(): Promise<readonly HeldModel[]>
  /** The files of a version; undefined when no manifest has this digest. */
  find(digest: string): Promise<ModelFile | undefined>
  /** `/api/show`'s answer; undefined when there is no such name here. */
  show(name: string, verbose: boolean, instead?: ShownInstead): Promise<Record<string, unknown> | undefined>
  /** Gives what a name means another name too, replacing what that meant. False: there is no such name here. */
  copy(source: string, destination: string): Promise<boolean>
  /** Removes a name, and the files that no other name needs. False: there is no such name here. */
  remove(name: string): Promise<boolean>
  /** Imports a GGUF under a name: hashed while copied, nothing half-written stays. */
  importGguf(name: string, source: AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<HeldModel>
}

/** A model that is to be made, of another one or of blobs that have been uploaded. Absent texts are inherited. */
export interface NewModel {
  readonly name: string
  /** The model whose layers it begins with. */
  readonly from?: string
  /** Digests by relative file name. */
  readonly files: Readonly<Record<string, string>>
  readonly adapters: Readonly<Record<string, string>>
  readonly template?: string
  readonly system?: string
  /** Added to those of the model that it begins with. */
  readonly licenses: readonly string[]
  /** Options by Ollama's names; each replaces the one of the model that it begins with. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** None: inherited. */
  readonly messages: readonly ChatMessage[]
  readonly renderer?: string
  readonly parser?: string
  readonly requires?: string
  /** What its weights are to be kept as. */
  readonly quantize?: string
}

/** Writes a GGUF anew with weights of another type, in llama.cpp's words (`Q4_K_M`). Rejects with an error for people. */
export type Quantize = (input: string, output: string, type: string) => Promise<void>

/** A blob that is here, or that another node reads out. */
export interface ReadableBlob {
  readonly sizeBytes: number
  /** Its bytes from `start` up to before `end`, no faster than they are taken. */
  read(start: number, end: number): AsyncIterable<Uint8Array>
}

/** A blob that is sent in parts. Disposing of it forgets what came, unless it was kept. */
export interface BlobUpload extends AsyncDisposable {
  /** Of the parts that are complete. */
  readonly sizeBytes: number
  /** Takes a part that begins at `at`: behind the last one, or earlier, where a sender begins anew. All of it counts, or nothing. */
  append(at: number, source: AsyncIterable<Uint8Array>, announcedBytes: number | undefined): Promise<void>
  /** Gives the blob its name. Throws a StoreError `mismatch` where its digest is another; nothing more can be appended. */
  keep(digest: string): Promise<void>
}

/** What models take of a disk, in bytes. */
export interface DiskUsage {
  readonly folder: string
  /** `aloneBytes`: of blobs that no other name needs, which removing this one gives back. */
  readonly models: readonly { readonly name: string; readonly sizeBytes: number; readonly aloneBytes: number }[]
  /** Of all models together: what they share counts once. */
  readonly namedBytes: number
  /** Of complete blobs that no model names. */
  readonly unnamedBytes: number
  /** Of what is being pulled, pushed or uploaded, or was when it broke off. */
  readonly unfinishedBytes: number
  readonly freeBytes: number
}

/** Models as a registry has them: what their manifests and blobs are. Every method rejects with a StoreError. */
export interface ModelFiles {
  /** The bytes of the manifest with this digest (hex); undefined when no name here has it. */
  manifest(digest: string): Promise<Uint8Array | undefined>
  /** `digest` as `parseDigest` gives it. */
  blob(digest: string): Promise<ReadableBlob | undefined>
  beginUpload(): Promise<BlobUpload>
  usage(): Promise<DiskUsage>
  /**
   * Gives a name its manifest once all that this names is there; true when that left blobs unused, which then are gone.
   * Throws a StoreError `corrupt` for bytes that are no manifest of a usable model, and for blobs that are missing.
   */
  keepManifest(name: string, bytes: Uint8Array): Promise<boolean>
}

/** What the store offers those who make models. Every method rejects with a StoreError. */
export interface ModelMaker {
  /** Whether a blob is here. `digest` as `parseDigest` gives it. */
  hasBlob(digest: string): Promise<boolean>
  /** Writes a blob that must have this digest; nothing stays when it has another one or breaks off. */
  writeBlob(digest: string, source: AsyncIterable<Uint8Array>, sizeBytes: number | undefined): Promise<void>
  /** Makes a model, replacing what its name meant. `onStatus` hears Ollama's words for each step. */
  create(model: NewModel, onStatus: (status: string) => void): Promise<void>
}
