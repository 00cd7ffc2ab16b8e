/** Names that come and go: a copy is another manifest of the same bytes, a removal takes the blobs that nobody else needs. */
import { mkdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { displayName, type ModelName } from '../../protocols/model-name.ts'
import { stageBytes } from './blobs.ts'
import { digestsOf, removeFreed } from './collect.ts'
import { type Layout, manifestPath } from './layout.ts'
import { fileError, systemCode } from './store-error.ts'

/** Writes the manifest of one name under another as well, replacing what that name meant. Throws a StoreError. */
export async function copyManifest(layout: Layout, source: ModelName, target: ModelName): Promise<void> {
  const path = manifestPath(layout, target)
  try {
    await writeManifest(layout, target, await readFile(manifestPath(layout, source)))
  } catch (error) {
    throw fileError(`Copying ${displayName(source)} to`, path, error)
  }
}

/** Gives a name a manifest, in one step. Throws what the file system does. */
export async function writeManifest(layout: Layout, name: ModelName, bytes: Buffer): Promise<void> {
  const path = manifestPath(layout, name)
  await mkdir(dirname(path), { recursive: true })
  await using staged = await stageBytes(layout, bytes)
  await staged.moveTo(path)
}

/**
 * Removes a name, then the blobs that only it named. `others` are all further names in the store: where one of their
 * manifests cannot be read nobody knows what it needs, and every blob stays. Throws a StoreError.
 */
export async function removeModel(layout: Layout, name: ModelName, others: readonly ModelName[]): Promise<void> {
  const path = manifestPath(layout, name)
  // A manifest that cannot be read is removed all the same; what it named stays.
  const freed = await digestsOf(layout, name).catch(() => new Set<string>())
  try {
    await unlink(path)
    await removeEmptyFolders(layout, dirname(path))
    await removeFreed(layout, freed, others)
  } catch (error) {
    throw fileError(`Removing ${displayName(name)} from`, layout.root, error)
  }
}

/** The folders of a model, a namespace and a host that hold nothing any more. */
async function removeEmptyFolders(layout: Layout, from: string): Promise<void> {
  for (let folder = from; folder.length > layout.manifests.length; folder = dirname(folder)) {
    try {
      await rmdir(folder)
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error))) return
      throw error
    }
  }
}
