/** What this room needs of the place where models lie; `src/node.ts` hands in the store's. */
import type { ModelName } from '../../protocols/model-name.ts'

export interface Blob {
  /** `sha256:` and 64 hex digits. */
  readonly digest: string
  readonly sizeBytes: number
}

/** Every method throws an error whose message names the file and the next step. */
export interface Shelf {
  /** What a manifest names, in its order, the config last. Throws for bytes that are no manifest of a usable model. */
  blobsOf(manifest: Uint8Array): readonly Blob[]
  has(blob: Blob): Promise<boolean>
  /** What the disk still has to take for a blob, some of which may be there. */
  missingBytes(blob: Blob): Promise<number>
  /** Writes a whole blob, whose digest must be right. Throws an error with the code `interrupted` where the source breaks off. */
  writeBlob(blob: Blob, source: AsyncIterable<Uint8Array>): Promise<void>
  /** Throws where the disk cannot take so many more. */
  checkSpace(bytes: number): Promise<void>
  /** What is there of a blob; nobody else may have it open. */
  openPartial(blob: Blob): Promise<Partial>
  /** Gives a manifest its name once all of its blobs are there. True: that left blobs unused, and they are gone. */
  keepManifest(name: ModelName, manifest: Uint8Array): Promise<boolean>
}

/** A blob that comes piece by piece, in any order; what has come stays there over a crash. Closed by disposing of it. */
export interface Partial extends AsyncDisposable {
  readonly pieceBytes: number
  readonly completedBytes: number
  isThere(piece: number): boolean
  /** A whole piece; only the last is shorter. */
  write(piece: number, bytes: Uint8Array): Promise<void>
  /**
   * Once every piece is there: compares the digest and gives the blob its name. Throws for another digest, and then
   * nothing of it stays.
   */
  keep(): Promise<void>
}
