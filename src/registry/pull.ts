/** The steps of one pull, as the actor asks for them: the registry on one side, the shelf on the other. */
import type { ProgressBoard } from '../../actors/progress-board.ts'
import type { PullSteps } from '../../actors/pull.ts'
import type { Signer } from './challenge.ts'
import type { Claim, Downloads } from './downloads.ts'
import type { Exchange } from './exchange.ts'
import { Registry } from './registry.ts'
import { parseRemoteName } from './remote-name.ts'
import type { Patience } from './retries.ts'
import type { Blob, Shelf } from './shelf.ts'

/** What comes is shown this often, in ms; readers look no more often. */
const showEveryMs = 50

/** Characters of a digest that stand for it: those after `sha256:`. */
const shortDigest = [7, 19] as const

export interface PullInit {
  readonly exchange: Exchange
  readonly signer: Signer
  readonly shelf: Shelf
  readonly downloads: Downloads
  readonly patience?: Patience
}

export class Pull implements PullSteps {
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
  async download(signal: AbortSignal): Promise<void> {
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
    const { digest, sizeBytes } = blob
    const isThere = await shelf.has(blob)
    const show = this.#board.show(`pulling ${digest.slice(...shortDigest)}`, digest, sizeBytes, isThere ? sizeBytes : 0)
    if (isThere) return
    const claim = await downloads.claim({ blob, registry: this.#source, signal })
    this.#claims.push(claim)
    const showing = setInterval(() => show(claim.completedBytes), showEveryMs)
    try {
      await claim.arrived
      show(sizeBytes)
    } finally {
      clearInterval(showing)
    }
  }
}
