/** Manifests and blobs of this node, as other nodes and the clients of `/v2` ask for them. */
import { Readable } from 'node:stream'
import type { ModelFiles, ReadableBlob } from '../../actors/model-catalog.ts'

interface LocalFile {
  readonly kind: 'manifest' | 'blob'
  readonly digest: string
}

/** Undefined: it is not here. Rejects with a StoreError, and so does reading it. */
export type OpenLocalFile = (file: LocalFile) => Promise<ReadableBlob | undefined>

/**
 * @param models undefined where they are another server's
 * @param onUnreadable hears of every file that is here and cannot be read: whoever asked learns only that it failed
 */
export function localFiles(
  models: ModelFiles | undefined,
  onUnreadable: (digest: string, error: Error) => void,
): OpenLocalFile {
  if (models === undefined) return async () => undefined
  return async (file) => {
    const { digest } = file
    const told = (error: Error): never => {
      onUnreadable(digest, error)
      throw error
    }
    const found = await open(models, file).catch(told)
    return found && { ...found, read: (start, end) => failing(found.read(start, end), told) }
  }
}

async function open(models: ModelFiles, { kind, digest }: LocalFile): Promise<ReadableBlob | undefined> {
  if (kind === 'blob') return models.blob(digest)
  const bytes = await models.manifest(digest.slice('sha256:'.length))
  return bytes === undefined ? undefined : inMemory(bytes)
}

function inMemory(bytes: Uint8Array): ReadableBlob {
  return { sizeBytes: bytes.length, read: (start, end) => Readable.from([bytes.subarray(start, end)]) }
}

/** A reader that leaves is no failure of the source: that one is only closed. */
async function* failing(source: AsyncIterable<Uint8Array>, onFailed: (error: Error) => never) {
  try {
    yield* source
  } catch (error) {
    onFailed(error as Error)
  }
}
