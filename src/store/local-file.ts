/** A manifest or a blob of this node, as another node or a client of `/v2` asks for it. */
import { Readable } from 'node:stream'
import type { ModelFiles, ReadableBlob } from '../../actors/model-catalog.ts'

/** Undefined: it is not here. Throws a StoreError. */
export async function openLocalFile(
  models: ModelFiles,
  { kind, digest }: { readonly kind: 'manifest' | 'blob'; readonly digest: string },
): Promise<ReadableBlob | undefined> {
  if (kind === 'blob') return models.blob(digest)
  const bytes = await models.manifest(digest.slice('sha256:'.length))
  return bytes === undefined ? undefined : inMemory(bytes)
}

function inMemory(bytes: Uint8Array): ReadableBlob {
  return { sizeBytes: bytes.length, read: (start, end) => Readable.from([bytes.subarray(start, end)]) }
}
