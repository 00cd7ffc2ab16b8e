/**
 * A blob that comes in parts, one after the other. A part counts when all of it is there: what a broken one left is
 * forgotten, and the part may be sent again.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { BlobUpload } from '../../actors/model-catalog.ts'
import { append, type Copying, checkSpace, keep, seal } from './blobs.ts'
import type { Layout } from './layout.ts'
import { StagedFile } from './staged-file.ts'
import { StoreError } from './store-error.ts'

const copying: Copying = { doing: 'Keeping a blob', what: 'upload of a blob', again: 'send this part again' }

export class StagedUpload implements BlobUpload {
  readonly #layout: Layout
  readonly #staged: StagedFile
  /** Of the parts that count; undefined when one of them has been taken back: then the file is read once more. */
  #hash: Hash | undefined = createHash('sha256')
  #sizeBytes = 0

  private constructor(layout: Layout, staged: StagedFile) {
    this.#layout = layout
    this.#staged = staged
  }

  static async begin(layout: Layout): Promise<StagedUpload> {
    return new StagedUpload(layout, await StagedFile.create(layout.blobs))
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async append(at: number, source: AsyncIterable<Uint8Array>, announcedBytes: number | undefined): Promise<void> {
    if (at > this.#sizeBytes)
      throw new StoreError('absent', `the part begins at ${at}, and ${this.#sizeBytes} bytes are here`)
    await checkSpace(this.#layout.blobs, announcedBytes ?? 0)
    if (at < this.#sizeBytes) {
      this.#hash = undefined
      this.#sizeBytes = at
    }
    const hash = this.#hash?.copy()
    try {
      await this.#staged.cut(this.#sizeBytes)
      await append(this.#staged, source, copying, (slice) => hash?.update(slice))
    } catch (error) {
      await this.#staged.cut(this.#sizeBytes).catch(() => undefined) // It is cut before the next part, too.
      throw error
    }
    this.#hash = hash
    this.#sizeBytes = this.#staged.sizeBytes
  }

  async keep(digest: string): Promise<void> {
    await seal(this.#staged, copying)
    const found = `sha256:${(this.#hash ?? (await hashed(this.#staged.path))).digest('hex')}`
    if (found !== digest) throw new StoreError('mismatch', `digest mismatch, expected "${digest}", got "${found}"`)
    await keep(this.#layout, this.#staged, digest.slice('sha256:'.length))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#staged[Symbol.asyncDispose]()
  }
}

async function hashed(path: string): Promise<Hash> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  return hash
}
