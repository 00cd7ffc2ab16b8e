import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCatalog } from '../../src/store/catalog.ts'
import { filesBelow, stockTiny, temporaryFolder, tinySource, writeStockModel } from './fixtures.ts'

const manifestOf = (folder: string, name: string) => join(folder, 'manifests/registry.ollama.ai/library', name)
const names = async (folder: string) => (await (await openCatalog(folder)).list()).map(({ name }) => name).sort()

describe('a copy', () => {
  it('is the same version under another name, byte for byte', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('tiny', tinySource())
    expect(await catalog.copy('TINY', 'user/other:v2')).toBe(true)
    expect(await names(folder)).toEqual(['tiny:latest', 'user/other:v2'])
    expect(new Set((await catalog.list()).map(({ digest }) => digest)).size).toBe(1)
    const copied = join(folder, 'manifests/registry.ollama.ai/user/other/v2')
    expect(await readFile(copied)).toEqual(await readFile(manifestOf(folder, 'tiny/latest')))
    expect((await readdir(join(folder, 'blobs'))).filter((name) => name.startsWith('omx-staged'))).toEqual([])
  })

  it('replaces what its name meant, in the spelling that is there', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('Tiny', tinySource())
    await catalog.importGguf('other', tinySource())
    await catalog.copy('other', 'tiny')
    expect(await names(folder)).toEqual(['Tiny:latest', 'other:latest'])
  })

  it('of a name that is not there changes nothing', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    expect(await catalog.copy('absent', 'other')).toBe(false)
    await expect(catalog.copy('a b', 'other')).rejects.toMatchObject({ code: 'invalid-name' })
    expect(await names(folder)).toEqual([])
  })
})

describe('a removal', () => {
  it('takes the manifest, the folders that hold nothing more, and the blobs', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('user/tiny:v1', tinySource())
    expect(await catalog.remove('user/tiny:v1')).toBe(true)
    expect(await filesBelow(folder)).toEqual([])
    expect(await readdir(join(folder, 'manifests'))).toEqual([])
    expect(await catalog.remove('user/tiny:v1')).toBe(false)
  })

  it('leaves the blobs that another name needs', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('tiny', tinySource())
    const before = await readdir(join(folder, 'blobs'))
    await writeStockModel(folder, 'registry.ollama.ai/library/stock/latest', [
      await stockTiny(),
      { kind: 'license', content: 'MIT' },
    ])
    await catalog.remove('stock')
    expect((await readdir(join(folder, 'blobs'))).sort()).toEqual(before.sort())
    expect(await names(folder)).toEqual(['tiny:latest'])
  })

  it('leaves every blob while somebody else’s manifest cannot be read', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('tiny', tinySource())
    await catalog.importGguf('broken', tinySource())
    await writeFile(manifestOf(folder, 'broken/latest'), '{')
    const before = await readdir(join(folder, 'blobs'))
    await catalog.remove('tiny')
    expect(await readdir(join(folder, 'blobs'))).toEqual(before)
  })

  it('of two names at once leaves nothing that neither needs', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('one', tinySource())
    await catalog.copy('one', 'two')
    await Promise.all([catalog.remove('one'), catalog.remove('two')])
    expect(await filesBelow(folder)).toEqual([])
  })
})
