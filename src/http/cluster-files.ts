/** Models as files over the whole cluster: what `/v2` reads from whoever holds it, and what is pushed to this node. */
import { createHash } from 'node:crypto'
import type { BlobUpload, ModelFiles, ReadableBlob } from '../../actors/model-catalog.ts'
import { type ClusterNode, type ClusterView, listModels, resolveDigest, resolveModel } from '../../actors/view.ts'
import { maxManifestBytes } from '../../protocols/manifest.ts'
import { displayName, parseModelName } from '../../protocols/model-name.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Cluster } from './cluster.ts'
import { makerRefusal } from './cluster-maker.ts'
import { ApiError, type ErrorCode } from './errors.ts'
import type { RegistryServices, SharedManifest } from './services.ts'

export interface FilesInit {
  readonly cluster: Pick<Cluster, 'ask' | 'view' | 'self' | 'remove'>
  /** Undefined where the models are another server's. */
  readonly models: ModelFiles | undefined
  /** A file of a node, this one included; undefined: it does not have it. Rejects when it cannot be reached or read. */
  readonly openFile: (node: NodeId, file: SharedFile, signal: AbortSignal) => Promise<ReadableBlob | undefined>
}

interface SharedFile {
  readonly kind: 'manifest' | 'blob'
  readonly digest: string
}

export function clusterFiles(init: FilesInit): RegistryServices {
  const { cluster } = init
  return {
    manifest: async (name, signal) => {
      const resolved = resolveModel(await cluster.view(), name)
      return resolved === undefined ? undefined : readManifest(init, resolved.model.digest, resolved.holders, signal)
    },
    manifestOf: async (repository, digest, signal) => {
      const view = await cluster.view()
      const resolved = resolveDigest(view, digest.slice('sha256:'.length))
      return resolved === undefined || namesIn(view, repository, digest).length === 0
        ? undefined
        : readManifest(init, resolved.model.digest, resolved.holders, signal)
    },
    tags: async (repository) =>
      listModels(await cluster.view())
        .filter(({ name }) => isOf(repository, name))
        .map(({ name }) => name.slice(name.lastIndexOf(':') + 1)),
    namesOf: async (repository, digest) => namesIn(await cluster.view(), repository, digest),
    remove: (name) =>
      cluster.remove(name).catch((error: ApiError) => {
        throw error.code === 'model-not-found'
          ? new ApiError('manifest-unknown', `no node of this cluster holds ${name}`)
          : error
      }),
    blob: async (repository, digest, signal) => {
      const own = await init.openFile(cluster.self, { kind: 'blob', digest }, signal).catch(makerRefusal)
      if (own !== undefined) return own
      const view = await cluster.view()
      const names = listModels(view).filter(({ name }) => isOf(repository, name))
      const holders = new Set(names.flatMap(({ name }) => resolveModel(view, name)?.holders ?? []))
      return firstOf(init, [...holders], { kind: 'blob', digest }, signal)
    },
    hasBlob: async (digest) => (await init.models?.blob(digest).catch(makerRefusal)) !== undefined,
    beginUpload: async () => refusing(await own(init).beginUpload().catch(makerRefusal)),
    keepManifest: async (name, bytes) => {
      await own(init)
        .keepManifest(name, bytes)
        .catch(
          refusalAs({ corrupt: 'manifest-invalid', unsupported: 'manifest-invalid', 'not-gguf': 'manifest-invalid' }),
        )
      // Whoever is told that it is here may ask for it.
      await cluster.ask('node/models', { type: 'models.refresh' })
      return digestOf(bytes)
    },
  }
}

function own({ models }: FilesInit): ModelFiles {
  if (models !== undefined) return models
  throw new ApiError('not-supported', 'this node uses the models of another server: push to that one')
}

/** An upload whose errors a client of `/v2` understands. */
function refusing(upload: BlobUpload): BlobUpload {
  return {
    get sizeBytes() {
      return upload.sizeBytes
    },
    append: (at, source, announcedBytes) =>
      upload.append(at, source, announcedBytes).catch(refusalAs({ absent: 'range-invalid' })),
    keep: (digest) => upload.keep(digest).catch(refusalAs({ mismatch: 'digest-invalid' })),
    [Symbol.asyncDispose]: () => upload[Symbol.asyncDispose](),
  }
}

/** A store's error under a registry's code, where it has one of its own for it. */
function refusalAs(codes: Readonly<Record<string, ErrorCode>>) {
  return (error: Error & { readonly code?: string }): never => {
    const code = codes[error.code ?? '']
    if (code === undefined) return makerRefusal(error)
    throw new ApiError(code, error.message, { cause: error })
  }
}

/** The names of a repository that mean the manifest with this digest. */
function namesIn(view: ClusterView, repository: string, digest: string): readonly string[] {
  const models = listModels(view).filter(({ name }) => isOf(repository, name))
  return models.filter((model) => `sha256:${model.digest}` === digest).map(({ name }) => name)
}

/** Whether a model's name is one of a repository's. */
function isOf(repository: string, name: string): boolean {
  const tag = name.slice(name.lastIndexOf(':') + 1)
  const parsed = parseModelName(`${repository}:${tag}`)
  return parsed !== undefined && displayName(parsed).toLowerCase() === name.toLowerCase()
}

async function readManifest(
  init: FilesInit,
  hex: string,
  holders: readonly ClusterNode[],
  signal: AbortSignal,
): Promise<SharedManifest | undefined> {
  const digest = `sha256:${hex}`
  const file = await firstOf(init, holders, { kind: 'manifest', digest }, signal)
  if (file === undefined) return undefined
  const chunks: Uint8Array[] = []
  if (file.sizeBytes > maxManifestBytes)
    throw new ApiError('manifest-unknown', `the manifest of ${digest} is too large`)
  for await (const chunk of file.read(0, file.sizeBytes)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  // What another node says is believed when it is what its name says.
  if (digestOf(bytes) === digest) return { bytes, digest }
  throw new ApiError('holders-gone', `the manifest ${digest} came with other bytes: ask again, or pull the model anew`)
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** From the first holder that has it, this node before others. Rejects when none has it and one could not be asked. */
async function firstOf(
  { cluster, openFile }: FilesInit,
  holders: readonly ClusterNode[],
  file: SharedFile,
  signal: AbortSignal,
): Promise<ReadableBlob | undefined> {
  let failure: Error | undefined
  for (const { node } of holders.toSorted(
    (a, b) => Number(b.node === cluster.self) - Number(a.node === cluster.self),
  )) {
    try {
      const found = await openFile(node, file, signal)
      if (found !== undefined) return found
    } catch (error) {
      failure = error as Error
    }
  }
  if (failure === undefined) return undefined
  throw new ApiError('holders-gone', `no node that holds ${file.digest} could be read: ${failure.message}`, {
    cause: failure,
  })
}
