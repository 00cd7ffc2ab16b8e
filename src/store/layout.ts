/** Ollama's directory layout: where a manifest or a blob lies. Every path is built here, and none leaves the root. */
import { join, resolve } from 'node:path'
import { isModelName, type ModelName } from '../../protocols/model-name.ts'
import { makeFolder } from './make-folder.ts'
import { fileError, StoreError } from './store-error.ts'

export interface Layout {
  /** Absolute; what `OLLAMA_MODELS` names for an Ollama. */
  readonly root: string
  readonly manifests: string
  readonly blobs: string
}

/** What the file of a blob is called. */
export const blobNamePattern = /^sha256-[0-9a-f]{64}$/

const digestPattern = /^sha256:[0-9a-f]{64}$/

export function layoutAt(folder: string): Layout {
  const root = resolve(folder)
  return { root, manifests: join(root, 'manifests'), blobs: join(root, 'blobs') }
}

/** Creates the folders that are missing. Throws a StoreError naming the one that cannot be created. */
export async function createFolders(layout: Layout): Promise<void> {
  for (const folder of [layout.manifests, layout.blobs]) {
    await makeFolder(folder).catch((error) => {
      throw fileError('Creating the models folder', folder, error)
    })
  }
}

/** Where the manifest of a name lies. Throws a StoreError when a part is no safe path component. */
export function manifestPath(layout: Layout, name: ModelName): string {
  if (!isModelName(name)) {
    throw new StoreError('invalid-name', `${JSON.stringify(name)} is not a model name. Use [namespace/]model[:tag].`)
  }
  return join(layout.manifests, name.host, name.namespace, name.model, name.tag)
}

/** Where the blob of a `sha256:<hex>` digest lies. Throws a StoreError for any other text. */
export function blobPath(layout: Layout, digest: string): string {
  if (!digestPattern.test(digest)) {
    throw new StoreError('corrupt', `${JSON.stringify(digest)} is not a digest. Expected sha256: and 64 hex digits.`)
  }
  return join(layout.blobs, digest.replace(':', '-'))
}
