/** The steps of one pull, as the actor asks for them: the registry on one side, the shelf on the other. */
import type { ProgressBoard } from '../../actors/progress-board.ts'
import type { TransferSteps } from '../../actors/transfer.ts'
import { shown } from './blob-line.ts'
import type { Signer } from './challenge.ts'
import type { Claim, Downloads } from './downloads.ts'
import type { Exchange } from './exchange.ts'
import { Registry } from './registry.ts'
import { parseRemoteName } from './remote-name.ts'
import type { Patience } from './retries.ts'
import type { Blob, Shelf } from './shelf.ts'

export interface PullInit {
  readonly exchange: Exchange
  readonly signer: Signer
  readonly shelf: Shelf
  readonly downloads: Downloads
  readonly patience?: Patience
}

export class Pull implements TransferSteps {
  readonly words = { resolve: 'pulling manifest', verify: 'verifying sha256 digest', write: 'writing manifest' }
  readonly #init: PullInit
  readonly #board: ProgressBoard
  readonly #source: Registry
  #manifest: Uint8Array = new Uint8Array()
  #blobs: readonly Blob[] = []
  readonly #claims: Claim[] = []

  /** Throws a RegistryError for a name that no registry could have. */
  constructor(init: PullInit, { model, insecure }: { model: string; insecure: boolean }, board: ProgressBoard) {
    const { exchange, signer, patience } = init
    const remote = parseRemoteName(model, insecure)
    this.#init = init
    this.#board = board
    this.#source = new Registry({ remote, exchange, signer, ...(patience === undefined ? {} : { patience }) })
  }

  async resolve(signal: AbortSignal): Promise<void> {
    const { shelf } = this.#init
    this.#manifest = await this.#source.manifest(signal).catch((error: Error) => {
      throw signal.aborted ? error : new Error(`pull model manifest: ${error.message}`, { cause: error })
    })
    this.#blobs = shelf.blobsOf(this.#manifest)
    let missingBytes = 0
    for (const blob of this.#blobs) missingBytes += await shelf.missingBytes(blob)
    if (missingBytes > 0) await shelf.checkSpace(missingBytes)
  }

  /** One blob after another, each in parallel parts, as the manifest has them. */
  async move(signal: AbortSignal): Promise<void> {
    for (const blob of this.#blobs) await this.#bring(blob, signal)
  }

  async verify(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#claims.map(({ kept }) => kept))
    signal.throwIfAborted()
  }

  async write(): Promise<void> {
    const { name } = this.#source.remote
    const leftOver = await this.#init.shelf.keepManifest(name, this.#manifest)
    if (leftOver) this.#board.say('removing unused layers')
  }

  async #bring(blob: Blob, signal: AbortSignal): Promise<void> {
    const { shelf, downloads } = this.#init
    const isThere = await shelf.has(blob)
    await shown(this.#board, 'pulling', blob, isThere ? blob.sizeBytes : 0, async (follow) => {
      if (isThere) return
      const claim = await downloads.claim({ blob, registry: this.#source, signal })
      this.#claims.push(claim)
      follow(() => claim.completedBytes)
      await claim.arrived
    })
  }
}
