/** The steps of one push, as the actor asks for them: what a cluster holds on one side, the registry on the other. */
import type { ProgressBoard } from '../../actors/progress-board.ts'
import type { TransferSteps } from '../../actors/transfer.ts'
import { displayName } from '../../protocols/model-name.ts'
import { shown } from './blob-line.ts'
import type { Signer } from './challenge.ts'
import { RegistryError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { type ModelSource, repositoryIn } from './model-source.ts'
import { Registry } from './registry.ts'
import { parseRemoteName } from './remote-name.ts'
import type { Patience } from './retries.ts'
import type { Blob, Shelf } from './shelf.ts'
import { Upload } from './upload.ts'

export interface PushInit {
  readonly exchange: Exchange
  readonly signer: Signer
  readonly source: ModelSource
  readonly shelf: Pick<Shelf, 'blobsOf'>
  readonly patience?: Patience
  /** See `Upload`. */
  readonly minPartBytes?: number
}

export class Push implements TransferSteps {
  readonly words = { resolve: 'retrieving manifest', write: 'pushing manifest' }
  readonly #init: PushInit
  readonly #board: ProgressBoard
  readonly #registry: Registry
  /** As the source knows it. */
  readonly #name: string
  #manifest: Uint8Array = new Uint8Array()
  #blobs: readonly Blob[] = []

  /** Throws a RegistryError for a name that no registry could have. */
  constructor(init: PushInit, { model, insecure }: { model: string; insecure: boolean }, board: ProgressBoard) {
    const { exchange, signer, patience } = init
    const remote = parseRemoteName(model, insecure)
    this.#init = init
    this.#board = board
    this.#name = displayName(remote.name)
    this.#registry = new Registry({ remote, exchange, signer, ...(patience === undefined ? {} : { patience }) })
  }

  async resolve(signal: AbortSignal): Promise<void> {
    const found = await this.#init.source.manifest(this.#name, signal)
    if (found === undefined) {
      this.#board.say("couldn't retrieve manifest")
      throw new RegistryError('not-found', `model '${this.#name}' not found`)
    }
    this.#manifest = found.bytes
    this.#blobs = this.#init.shelf.blobsOf(found.bytes)
  }

  async move(signal: AbortSignal): Promise<void> {
    for (const blob of this.#blobs) await this.#send(blob, signal)
  }

  /** Nothing is left to be checked: the registry does, blob by blob. */
  async verify(): Promise<void> {}

  write(signal: AbortSignal): Promise<void> {
    return this.#registry.putManifest(this.#manifest, signal)
  }

  async #send(blob: Blob, signal: AbortSignal): Promise<void> {
    const { source, patience, minPartBytes } = this.#init
    const bytes = await source.blob(repositoryIn(this.#name), blob.digest, signal)
    if (bytes === undefined) throw new RegistryError('not-found', `no node in reach holds ${blob.digest} any more`)
    await shown(this.#board, 'pushing', blob, 0, async (follow) => {
      const registry = this.#registry
      const upload = new Upload({
        ...{ registry, blob, bytes, signal },
        ...(patience === undefined ? {} : { patience }),
        ...(minPartBytes === undefined ? {} : { minPartBytes }),
      })
      follow(() => upload.sentBytes)
      await upload.run()
    })
  }
}
