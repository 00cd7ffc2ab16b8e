/** The models folder as a registry's client fills it: what is there, partial blobs, and manifests whose blobs have come. */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { fullName, type ModelName } from '../../protocols/model-name.ts'
import { checkSpace } from './blobs.ts'
import type { ModelsFolder } from './catalog.ts'
import { blobPath } from './layout.ts'
import { usableManifest } from './manifest.ts'
import { PartialBlob, type PartialBlobInit, partialPath, removeAbandonedPartials } from './partial-blob.ts'
import { StoreError } from './store-error.ts'

/** Blobs of one manifest: a model in many small tensors has some thousand. */
const maxBlobs = 10_000

/** Largest sum of them in bytes: what still is an exact number, and more than any disk. */
const maxTotalBytes = Number.MAX_SAFE_INTEGER

/** Of a node's id, for names of files. */
const ownerLength = 12

/** What `stat` counts in, on every file system. */
const statBlockBytes = 512

/** A blob as a manifest names it. */
export interface NamedBlob {
  readonly digest: string
  readonly sizeBytes: number
}

export class Shelf {
  readonly #folder: ModelsFolder
  readonly #owner: string

  private constructor(folder: ModelsFolder, owner: string) {
    this.#folder = folder
    this.#owner = owner
  }

  /** `node`: who writes here; partial blobs carry its mark. */
  static async open(folder: ModelsFolder, node: string): Promise<Shelf> {
    await removeAbandonedPartials(folder.layout.blobs)
    return new Shelf(folder, createHash('sha256').update(node).digest('hex').slice(0, ownerLength))
  }

  blobsOf(bytes: Uint8Array): readonly NamedBlob[] {
    const manifest = usableManifest('What the registry sent', bytes)
    const blobs = new Map<string, number>()
    let totalBytes = 0
    for (const { digest, size } of [...manifest.layers, manifest.config]) {
      if ((blobs.get(digest) ?? size) !== size)
        throw new StoreError('corrupt', `the manifest gives ${digest} two sizes`)
      if (!blobs.has(digest)) totalBytes += size
      blobs.set(digest, size)
    }
    if (blobs.size > maxBlobs || totalBytes > maxTotalBytes) {
      throw new StoreError(
        'corrupt',
        `the manifest names ${blobs.size} blobs of ${totalBytes} bytes, which is too much`,
      )
    }
    return [...blobs].map(([digest, sizeBytes]) => ({ digest, sizeBytes }))
  }

  async has({ digest, sizeBytes }: NamedBlob): Promise<boolean> {
    const status = await stat(blobPath(this.#folder.layout, digest)).catch(() => undefined)
    return status?.size === sizeBytes
  }

  async missingBytes(blob: NamedBlob): Promise<number> {
    if (await this.has(blob)) return 0
    const { blocks = 0 } = (await stat(partialPath(this.#partial(blob))).catch(() => undefined)) ?? {}
    return Math.max(0, blob.sizeBytes - blocks * statBlockBytes)
  }

  checkSpace(bytes: number): Promise<void> {
    return checkSpace(this.#folder.layout.blobs, bytes)
  }

  writeBlob({ digest, sizeBytes }: NamedBlob, source: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#folder.writeBlob(digest, source, sizeBytes)
  }

  openPartial(blob: NamedBlob): Promise<PartialBlob> {
    return PartialBlob.open(this.#partial(blob))
  }

  keepManifest(name: ModelName, bytes: Uint8Array): Promise<boolean> {
    return this.#folder.keepManifest(fullName(name), bytes)
  }

  #partial({ digest, sizeBytes }: NamedBlob): PartialBlobInit {
    const { layout } = this.#folder
    const target = blobPath(layout, digest)
    const hex = digest.slice('sha256:'.length)
    return { folder: layout.blobs, owner: this.#owner, hex, sizeBytes, target }
  }
}
