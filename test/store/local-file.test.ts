/** What a node reads out of its folder for others: the files as they are, or a word about why not. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import { openCatalog } from '../../src/store/catalog.ts'
import { localFiles } from '../../src/store/local-file.ts'
import { temporaryFolder, tinyHex, tinySource } from './fixtures.ts'

const blob = { kind: 'blob', digest: `sha256:${tinyHex}` } as const

async function place() {
  const folder = await temporaryFolder()
  const catalog = await openCatalog(folder)
  const { digest } = await catalog.importGguf('tiny', tinySource())
  await catalog.list()
  const told: [string, Error][] = []
  const open = localFiles(catalog, (file, error) => told.push([file, error]))
  const path = join(folder, 'blobs', `sha256-${tinyHex}`)
  return { folder, path, told, open, manifest: { kind: 'manifest', digest: `sha256:${digest}` } as const }
}

async function all({ sizeBytes, read }: ReadableBlob): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of read(0, sizeBytes)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

it('a file that breaks while it is read is told once, with its path and the cause', async () => {
  const { open, told, path } = await place()
  const found = (await open(blob)) as ReadableBlob
  // Whoever the tests run as may read every file, but nobody may read a folder.
  await rm(path)
  await mkdir(path)
  await expect(all(found)).rejects.toMatchObject({ name: 'StoreError', code: 'unwritable' })
  expect(told).toEqual([[blob.digest, expect.objectContaining({ message: expect.stringContaining('EISDIR') })]])
  expect(told[0]?.[1].message).toContain(`Reading ${path} failed`)
})

it('a blob or a manifest that cannot be opened is told', async () => {
  const { open, told, folder, manifest } = await place()
  for (const name of ['blobs', 'manifests']) {
    await rename(join(folder, name), join(folder, `${name}.away`))
    await writeFile(join(folder, name), 'a file in place of the folder')
  }
  for (const file of [blob, manifest]) await expect(open(file)).rejects.toThrow('ENOTDIR')
  expect(told.map(([digest]) => digest)).toEqual([blob.digest, manifest.digest])
})

it('a file that is not here, or any more, and a reader that leaves are nothing to tell', async () => {
  const { open, told, folder, path, manifest } = await place()
  const found = (await open(blob)) as ReadableBlob
  for await (const _ of found.read(0, found.sizeBytes)) break
  expect((await all((await open(manifest)) as ReadableBlob)).toString()).toContain('"schemaVersion":2')
  await rm(path)
  await rm(join(folder, 'manifests'), { recursive: true })
  expect(await open(blob)).toBeUndefined()
  expect(await open(manifest)).toBeUndefined()
  expect(await localFiles(undefined, () => {})(blob)).toBeUndefined()
  expect(told).toEqual([])
})
