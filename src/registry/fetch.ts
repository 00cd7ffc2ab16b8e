/** The steps of bringing a model here from another node of the cluster: its files as they are, checked while they are written. */
import type { ProgressBoard } from '../../actors/progress-board.ts'
import type { TransferSteps } from '../../actors/transfer.ts'
import { displayName } from '../../protocols/model-name.ts'
import { shown } from './blob-line.ts'
import { RegistryError } from './errors.ts'
import { type ModelSource, repositoryIn } from './model-source.ts'
import { parseRemoteName, type RemoteName } from './remote-name.ts'
import { firstPatience, type Patience, retrying } from './retries.ts'
import type { Blob, Shelf } from './shelf.ts'

export interface FetchInit {
  readonly source: ModelSource
  readonly shelf: Pick<Shelf, 'blobsOf' | 'has' | 'checkSpace' | 'writeBlob' | 'keepManifest'>
  /** For one blob, of which another holder may be asked; default: three tries. */
  readonly patience?: Patience
}

export class Fetch implements TransferSteps {
  readonly words = { resolve: 'pulling manifest', write: 'writing manifest' }
  readonly #init: FetchInit
  readonly #board: ProgressBoard
  readonly #remote: RemoteName
  #manifest: Uint8Array = new Uint8Array()
  #blobs: readonly Blob[] = []

  /** Throws a RegistryError for what is no name. */
  constructor(init: FetchInit, { model }: { readonly model: string }, board: ProgressBoard) {
    this.#init = init
    this.#board = board
    this.#remote = parseRemoteName(model, true)
  }

  async resolve(signal: AbortSignal): Promise<void> {
    const { source, shelf } = this.#init
    const name = displayName(this.#remote.name)
    const found = await source.manifest(name, signal)
    if (found === undefined) throw new RegistryError('not-found', `model '${name}' not found`)
    this.#manifest = found.bytes
    this.#blobs = shelf.blobsOf(found.bytes)
    let missingBytes = 0
    for (const blob of this.#blobs) missingBytes += (await shelf.has(blob)) ? 0 : blob.sizeBytes
    if (missingBytes > 0) await shelf.checkSpace(missingBytes)
  }

  async move(signal: AbortSignal): Promise<void> {
    for (const blob of this.#blobs) await this.#bring(blob, signal)
  }

  /** Nothing is left to be checked: a blob with other bytes is not written. */
  async verify(): Promise<void> {}

  async write(): Promise<void> {
    await this.#init.shelf.keepManifest(this.#remote.name, this.#manifest)
  }

  async #bring(blob: Blob, signal: AbortSignal): Promise<void> {
    const { shelf, patience = firstPatience } = this.#init
    const isThere = await shelf.has(blob)
    await shown(this.#board, 'pulling', blob, isThere ? blob.sizeBytes : 0, async (follow) => {
      if (!isThere) await retrying(patience, signal, () => this.#copy(blob, signal, follow))
    })
  }

  async #copy(blob: Blob, signal: AbortSignal, follow: (completed: () => number) => void): Promise<void> {
    const { source, shelf } = this.#init
    const bytes = await source
      .blob(repositoryIn(displayName(this.#remote.name)), blob.digest, signal)
      .catch((error: Error) => brokenOff(blob, error))
    if (bytes === undefined) throw new RegistryError('not-found', `no node in reach holds ${blob.digest} any more`)
    let completed = 0
    follow(() => completed)
    const counted = async function* () {
      for await (const chunk of bytes.read(0, blob.sizeBytes)) {
        completed += chunk.length
        yield chunk
      }
    }
    await shelf.writeBlob(blob, counted()).catch((error: Error & { readonly code?: string }) => {
      signal.throwIfAborted()
      return error.code === 'interrupted' ? brokenOff(blob, error) : Promise.reject(error)
    })
  }
}

function brokenOff({ digest }: Blob, cause: Error): never {
  throw new RegistryError('unreachable', `${digest} broke off: ${cause.message}`, { cause })
}
