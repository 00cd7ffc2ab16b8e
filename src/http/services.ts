/** What the routes need from the cluster. `src/node.ts` implements it by messages to actors. */

import type { TransferRequest } from '../../actors/courier.ts'
import type { BlobUpload, ModelMaker, ReadableBlob, ShownInstead } from '../../actors/model-catalog.ts'
import type { ProgressLine } from '../../actors/progress-board.ts'
import type { InferRequest, InferStream, InferWork } from '../../protocols/infer.ts'
import type {
  DiskAnswer,
  FactsAnswer,
  InspectAnswer,
  ModelsAnswer,
  PeersAnswer,
  StatusAnswer,
  TransitionLine,
} from '../../protocols/operations.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { HeldModel, LoadedModel, ModelDetails } from '../../protocols/report.ts'

/** Long work under way: its lines as they come, which end with an ApiError where it failed. */
export type Progress = AsyncIterable<ProgressLine>

/** How a request is to be computed, beside its work and its options. */
export type RequestWishes = Pick<InferRequest, 'truncate' | 'shift' | 'logprobs' | 'renderOnly'>

/** One request as a client sent it, before anything is known about where it will run. */
export interface NewRequest extends RequestWishes {
  /** The name as sent, trimmed: answers and messages repeat it. */
  readonly model: string
  readonly work: InferWork
  /** By Ollama's names, unchecked: the engine knows their types. */
  readonly options: Readonly<Record<string, unknown>>
  /** Absent: the worker's own setting; Infinity: forever. */
  readonly keepAliveMs?: number
  /** `X-OMX-Priority`: higher first, 0 where the client sent none. */
  readonly priority: number
  /** `X-OMX-Deadline-Ms`: from its arrival. */
  readonly deadlineMs?: number
}

/** A model in some node's memory, with what `/api/ps` says about its file. */
export type LoadedRow = LoadedModel & { readonly details: ModelDetails }

/** An answer under way and who computes it. */
export interface Answer extends InferStream {
  /** Known from the moment a worker has accepted the request. */
  readonly worker?: NodeId | undefined
}

/** Every method rejects with an `ApiError`; anything else is a defect and answered with 500. */
export interface ApiServices {
  /**
   * Admits a request somewhere in the cluster. Resolves with its answer, whose last frame is `done` or `failed`; leaving
   * the loop cancels it. Rejects with `model-not-found`, `busy`, `draining`, … `signal` aborts when the client goes.
   */
  submit(request: NewRequest, signal: AbortSignal): Promise<Answer>
  /** What a name means in the cluster now; undefined when nobody in reach holds it. */
  find(name: string): Promise<HeldModel | undefined>
  /** The same, where there must be one. Rejects with `model-not-found`, `holders-gone` or `model-unusable`. */
  require(name: string): Promise<HeldModel>
  /** One row per name over the whole cluster. */
  models(): Promise<readonly HeldModel[]>
  loaded(): Promise<readonly LoadedRow[]>
  /** `/api/show`'s answer; undefined when nobody holds this name. */
  show(name: string, verbose: boolean, instead: ShownInstead): Promise<Record<string, unknown> | undefined>
  /** Resolves also when the model was not loaded; rejects with `model-not-found` when nobody holds it. */
  unload(name: string): Promise<void>
  /** Gives a model another name wherever it is held. Rejects with `model-not-found` or `store-failed`. */
  copy(source: string, destination: string): Promise<void>
  /** Removes a name from every node in reach. Rejects with `model-not-found` or `store-failed`. */
  remove(name: string): Promise<void>
  /** Blobs and new models on this node; its methods reject with ApiErrors. */
  readonly maker: ModelMaker
  /** Brings a model from a registry or to one; leaving with `signal` cancels it when nobody else waits. Rejects with `transfer-failed`. */
  transfer(request: TransferRequest, signal: AbortSignal): Promise<Progress>
  /** Brings what a name means here from another node or, where none holds it, from its registry. Nothing to tell: it is here. */
  bring(name: string, signal: AbortSignal): Promise<Progress>
  /** Models as files. */
  readonly registry: RegistryServices
  readonly operations: OperationsServices
}

export interface SharedManifest {
  readonly bytes: Uint8Array
  /** `sha256:` and hex. */
  readonly digest: string
}

/** What `/v2` needs. A repository is `[host/]namespace/model`; every digest is written as `parseDigest` gives it. */
export interface RegistryServices {
  /** What a name means in the cluster now; undefined when no node in reach holds it. */
  manifest(name: string, signal: AbortSignal): Promise<SharedManifest | undefined>
  /** The same by its digest, if a tag of the repository has it. */
  manifestOf(repository: string, digest: string, signal: AbortSignal): Promise<SharedManifest | undefined>
  tags(repository: string): Promise<readonly string[]>
  /** The names of a repository that mean the manifest with this digest. */
  namesOf(repository: string, digest: string): Promise<readonly string[]>
  /** Removes a name from every node in reach. Rejects with `manifest-unknown` where none has it. */
  remove(name: string): Promise<void>
  /** From this node, or from one that holds the repository. Rejects with `holders-gone`. */
  blob(repository: string, digest: string, signal: AbortSignal): Promise<ReadableBlob | undefined>
  /** Whether this node has it. */
  hasBlob(digest: string): Promise<boolean>
  beginUpload(): Promise<BlobUpload>
  /** Gives a name on this node its manifest, whose digest is answered. Rejects with `manifest-invalid`, also for blobs that are missing. */
  keepManifest(name: string, bytes: Uint8Array): Promise<string>
}

/** What `/omx/v1` needs. */
export interface OperationsServices {
  /** What an import must present as its bearer: `run.json` holds it. */
  readonly token: string
  status(): Promise<StatusAnswer>
  peers(): Promise<PeersAnswer>
  models(): Promise<ModelsAnswer>
  /** Of this node. Rejects with `not-supported` where the models are another server's. */
  disk(): Promise<DiskAnswer>
  /** `peer` is an id or a name; undefined: this node. Rejects with `not-found`. */
  inspect(peer: string | undefined): Promise<InspectAnswer>
  /** What happened after the cursor of the last answer. Rejects with `not-found`. */
  facts(peer: string | undefined, cursor: number | undefined): Promise<FactsAnswer>
  /** Resolves when the actor is being followed; ends with `signal`. Rejects with `not-found`. */
  follow(peer: string | undefined, path: string, signal: AbortSignal): Promise<AsyncIterable<TransitionLine>>
  /** Imports a GGUF under a name; `onProgress` hears the bytes so far. Leaves nothing behind when `body` fails. */
  importGguf(name: string, body: AsyncIterable<Uint8Array>, onProgress: (bytes: number) => void): Promise<HeldModel>
}
