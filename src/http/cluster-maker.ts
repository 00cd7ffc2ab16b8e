/** Blobs and new models, made in this node's store and at once known to its cluster. */
import type { ModelMaker } from '../../actors/model-catalog.ts'
import type { Cluster } from './cluster.ts'
import { ApiError, type ErrorCode } from './errors.ts'

export interface MakerInit {
  readonly cluster: Pick<Cluster, 'ask'>
  readonly maker: ModelMaker
}

export function clusterMaker({ cluster, maker }: MakerInit): ModelMaker {
  return {
    hasBlob: (digest) => maker.hasBlob(digest).catch(makerRefusal),
    writeBlob: (digest, source, sizeBytes) => maker.writeBlob(digest, source, sizeBytes).catch(makerRefusal),
    create: async (model, onStatus) => {
      await maker.create(model, onStatus).catch(makerRefusal)
      // Whoever is told that it is done may ask for it.
      await cluster.ask('node/models', { type: 'models.refresh' })
    },
  }
}

/** What the store's errors mean to a client, where they are not this node's own trouble. */
const codes: Readonly<Record<string, ErrorCode>> = {
  'invalid-name': 'bad-field',
  'not-gguf': 'bad-field',
  corrupt: 'bad-field',
  mismatch: 'bad-field',
  absent: 'bad-field',
  unsupported: 'bad-field',
  interrupted: 'cancelled',
  'no-space': 'no-space',
}

/** Another Ollama whose models these are has a status where it refuses. */
interface MakerError extends Error {
  readonly code?: string
  readonly status?: number
}

/** A store's error as what a client reads. */
export function makerRefusal(error: MakerError): never {
  const otherwise = error.status === 400 ? 'bad-field' : 'store-failed'
  throw new ApiError(codes[error.code ?? ''] ?? otherwise, error.message, { cause: error })
}
