/** Takes away blobs that no manifest names. Where one manifest cannot be read nobody knows what it needs: all stay. */
import { readdir, realpath, stat, unlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { ModelName } from '../../protocols/model-name.ts'
import { blobNamePattern, blobPath, type Layout, manifestPath } from './layout.ts'
import { readManifest } from './manifest.ts'
import { fileError, systemCode } from './store-error.ts'

/** A blob that nobody names yet may be waiting for the request that makes a model of it: Ollama's own patience. */
const graceMs = 60 * 60 * 1000

/**
 * Whether the folder is this node's alone, so that what nobody names in it is waste: one inside its data folder is. A
 * folder that a person pointed at may be an Ollama's, or have a reason that is not in its manifests.
 */
export async function isOwn(models: string, data: string): Promise<boolean> {
  const [inner, outer] = await Promise.all([realpath(models), realpath(data)]).catch(() => ['', ''])
  return outer !== '' && inner.startsWith(outer + sep)
}

/** Removes unnamed blobs that are older than the grace; how many. Throws a StoreError. `nowMs`: since 1970. */
export async function collectUnnamed(layout: Layout, nowMs: number): Promise<number> {
  const needed = await everyDigest(layout).catch(() => undefined)
  if (needed === undefined) return 0
  let removed = 0
  for (const name of await readdir(layout.blobs)) {
    if (!blobNamePattern.test(name) || needed.has(name.replace('-', ':'))) continue
    const path = join(layout.blobs, name)
    const status = await stat(path).catch(() => undefined)
    if (status === undefined || nowMs - status.mtimeMs < graceMs) continue
    await unlinkIfThere(path)
    removed++
  }
  return removed
}

/** Removes those blobs of a version that has gone which none of these names needs; whether there were any. Throws a StoreError. */
export async function removeFreed(
  layout: Layout,
  digests: ReadonlySet<string>,
  names: readonly ModelName[],
): Promise<boolean> {
  if (digests.size === 0) return false
  const needed = await Promise.all(names.map((name) => digestsOf(layout, name))).catch(() => undefined)
  if (needed === undefined) return false
  const freed = new Set(digests)
  for (const others of needed) for (const digest of others) freed.delete(digest)
  for (const digest of freed) await unlinkIfThere(blobPath(layout, digest))
  return freed.size > 0
}

/** What a name's manifest names. Throws a StoreError when it cannot be read. */
export function digestsOf(layout: Layout, name: ModelName): Promise<Set<string>> {
  return digestsIn(manifestPath(layout, name))
}

async function digestsIn(path: string): Promise<Set<string>> {
  const { manifest } = await readManifest(path)
  return new Set([manifest.config, ...manifest.layers].map(({ digest }) => digest))
}

/** Of every file among the manifests, whatever it is called: rather one too many than a blob that somebody misses. */
async function everyDigest(layout: Layout): Promise<Set<string>> {
  const entries = await readdir(layout.manifests, { recursive: true, withFileTypes: true })
  const needed = new Set<string>()
  for (const entry of entries) {
    if (entry.isDirectory()) continue
    for (const digest of await digestsIn(join(entry.parentPath, entry.name))) needed.add(digest)
  }
  return needed
}

async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (systemCode(error) !== 'ENOENT') throw fileError('Removing', path, error)
  })
}
