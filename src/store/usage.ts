/** What of a disk the models take: each blob counted once, whoever shares it. */
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { DiskUsage } from '../../actors/model-catalog.ts'
import { displayName, type ModelName } from '../../protocols/model-name.ts'
import { blobNamePattern, type Layout, manifestPath } from './layout.ts'
import { readManifest } from './manifest.ts'
import { fileError } from './store-error.ts'

/** What `stat` counts in, on every file system. */
const statBlockBytes = 512

/** Throws a StoreError. Names whose manifest cannot be read are left out: the list says what is wrong with them. */
export async function diskUsage(layout: Layout, names: readonly ModelName[]): Promise<DiskUsage> {
  const files = await filesIn(layout)
  const models = await Promise.all(names.map((name) => blobsOf(layout, name)))
  const read = models.filter((model) => model !== undefined)
  const users = new Map<string, number>()
  for (const { blobs } of read) for (const digest of blobs) users.set(digest, (users.get(digest) ?? 0) + 1)
  const sizeOf = (digest: string): number => files.blobs.get(digest) ?? 0
  const sum = (digests: Iterable<string>): number => [...digests].reduce((total, digest) => total + sizeOf(digest), 0)
  const unnamed = [...files.blobs.keys()].filter((digest) => !users.has(digest))
  const { bavail, bsize } = await statfs(layout.blobs).catch((error) => {
    throw fileError('Asking for the free space of', layout.blobs, error)
  })
  return {
    folder: layout.root,
    models: read.map(({ name, blobs }) => ({
      name,
      sizeBytes: sum(blobs),
      aloneBytes: sum([...blobs].filter((digest) => users.get(digest) === 1)),
    })),
    namedBytes: sum(users.keys()),
    unnamedBytes: sum(unnamed),
    unfinishedBytes: files.unfinishedBytes,
    freeBytes: bavail * bsize,
  }
}

async function blobsOf(layout: Layout, name: ModelName) {
  const read = await readManifest(manifestPath(layout, name)).catch(() => undefined)
  if (read === undefined) return undefined
  const digests = [read.manifest.config, ...read.manifest.layers].map(({ digest }) => digest)
  return { name: displayName(name), blobs: new Set(digests) }
}

/** What each blob takes of the disk, and all that is on its way to become one. */
async function filesIn({ blobs: folder }: Layout) {
  const blobs = new Map<string, number>()
  let unfinishedBytes = 0
  for (const name of await readdir(folder)) {
    const status = await stat(join(folder, name)).catch(() => undefined)
    if (status?.isFile() !== true) continue
    // Of a file with holes, which one that comes in pieces is, less is there than its size says.
    if (blobNamePattern.test(name)) blobs.set(name.replace('-', ':'), status.size)
    else unfinishedBytes += Math.min(status.size, status.blocks * statBlockBytes)
  }
  return { blobs, unfinishedBytes }
}
