import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openCatalog } from '../../src/store/catalog.ts'
import { fileError } from '../../src/store/store-error.ts'
import { killChild, startChild } from './child.ts'
import { filesBelow, ggufBytes, temporaryFolder, tinyHex, tinyPath, tinySource } from './fixtures.ts'

/** Fixed for ever: an import that gives another one makes a second version of every model in every cluster. */
const tinyManifestDigest = '10ad062caefb0ca5c033813e65db8d35539f71a02b7e2397244bf5bc831392c9'

const manifestFile = 'manifests/registry.ollama.ai/library/tiny/latest'

async function* chunksOf(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

describe('importing a GGUF', () => {
  it('keeps the file under its digest and gives the same manifest in every folder', async () => {
    const folders = [await temporaryFolder(), await temporaryFolder()]
    const manifests: Buffer[] = []
    for (const folder of folders) {
      const catalog = await openCatalog(folder)
      expect(await catalog.importGguf('tiny', tinySource())).toMatchObject({
        name: 'tiny:latest',
        digest: tinyManifestDigest,
        details: { family: 'llama', parameter_size: '1.54M', quantization_level: 'Q8_0' },
      })
      manifests.push(await readFile(join(folder, manifestFile)))
      const blob = await readFile(join(folder, 'blobs', `sha256-${tinyHex}`))
      expect(blob.equals(await readFile(tinyPath))).toBe(true)
      expect(await filesBelow(folder)).toHaveLength(3)
    }
    expect(manifests[0]).toEqual(manifests[1])
    expect(manifests[0]?.at(-1)).toBe('\n'.charCodeAt(0))
  })

  it('does not care how the bytes are cut, and reports how many are written', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const bytes = await readFile(tinyPath)
    const progress: number[] = []
    const small = await catalog.importGguf('small', chunksOf(bytes, 50_001), (done) => progress.push(done))
    expect(small.digest).toBe(tinyManifestDigest)
    expect(progress.at(-1)).toBe(bytes.length)
    expect(progress).toEqual([...progress].sort((left, right) => left - right))
    async function* headFirst() {
      yield* chunksOf(bytes.subarray(0, 6), 1)
      yield bytes.subarray(6)
    }
    expect((await catalog.importGguf('cut', headFirst())).digest).toBe(tinyManifestDigest)
  })

  it('never takes more than a block of 1 MiB that is not written', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const bytes = await readFile(tinyPath)
    let given = 0
    let done = 0
    async function* counted() {
      for await (const chunk of chunksOf(bytes, 100_000)) {
        expect(given - done).toBeLessThan(1024 * 1024)
        given += chunk.length
        yield chunk
      }
    }
    await catalog.importGguf('tiny', counted(), (written) => {
      done = written
    })
    expect([given, done]).toEqual([bytes.length, bytes.length])
    expect(bytes.length).toBeGreaterThan(1024 * 1024)
  })

  it('twice under two names keeps one blob', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await catalog.importGguf('one', tinySource())
    await catalog.importGguf('two', tinySource())
    expect((await catalog.list()).map((model) => model.name).sort()).toEqual(['one:latest', 'two:latest'])
    expect(readdirSync(join(folder, 'blobs'))).toHaveLength(2)
  })

  it('at the same time under one name leaves one sound model', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await Promise.all([catalog.importGguf('tiny', tinySource()), catalog.importGguf('tiny', tinySource())])
    expect(await filesBelow(folder)).toHaveLength(3)
    expect(await catalog.list()).toHaveLength(1)
  })

  it('keeps the spelling of a name that is there', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    await catalog.importGguf('Tiny', tinySource())
    expect((await catalog.importGguf('tINY', tinySource())).name).toBe('Tiny:latest')
    expect(await catalog.list()).toHaveLength(1)
  })

  it('replaces a blob of the right name and the wrong size', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await writeFile(join(folder, 'blobs', `sha256-${tinyHex}`), 'cut short')
    await catalog.importGguf('tiny', tinySource())
    expect(await catalog.list()).toHaveLength(1)
  })

  it('stops at the first bytes when they are no GGUF', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    let taken = 0
    async function* wrong() {
      for (;;) {
        taken++
        yield Buffer.alloc(1000, 'x')
      }
    }
    await expect(catalog.importGguf('tiny', wrong())).rejects.toMatchObject({ name: 'StoreError', code: 'not-gguf' })
    expect(taken).toBe(1)
    expect(await filesBelow(folder)).toEqual([])
  })

  it.each([
    ['is empty', async () => Buffer.alloc(0), 'not-gguf'],
    ['is cut short', async () => (await readFile(tinyPath)).subarray(0, 1_000_000), 'corrupt'],
    ['is an adapter', async () => ggufBytes({ 'general.architecture': 'a', 'general.type': 'adapter' }), 'unsupported'],
  ])('that %s leaves nothing and names what was given', async (_what, bytes, code) => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    const error = await catalog.importGguf('tiny', chunksOf(await bytes(), 65_536)).catch((thrown) => thrown)
    expect(error).toMatchObject({ name: 'StoreError', code })
    expect(error.message).toContain('What was given for tiny:latest')
    expect(await filesBelow(folder)).toEqual([])
  })

  it('whose source fails leaves nothing and says that it was interrupted', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    async function* failing() {
      yield* chunksOf((await readFile(tinyPath)).subarray(0, 500_000), 65_536)
      throw new Error('the client went away')
    }
    await expect(catalog.importGguf('tiny', failing())).rejects.toMatchObject({
      code: 'interrupted',
      message: expect.stringContaining('the client went away'),
    })
    expect(await filesBelow(folder)).toEqual([])
  })

  it('that cannot write all bytes leaves nothing', async () => {
    const folder = await temporaryFolder()
    const module = fileURLToPath(new URL('../../src/store/catalog.ts', import.meta.url))
    const script = `
      import { createReadStream } from 'node:fs'
      import { openCatalog } from ${JSON.stringify(module)}
      const catalog = await openCatalog(${JSON.stringify(folder)})
      await catalog.importGguf('tiny', createReadStream(${JSON.stringify(tinyPath)})).catch((error) => {
        console.log(error.name, error.code, error.message)
      })`
    // The shell's limit on file sizes makes a write fail in the middle, as a full disk does.
    const output = execFileSync(
      'sh',
      [
        '-c',
        'ulimit -f 1000; exec "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"',
        process.execPath,
        script,
      ],
      { encoding: 'utf8' },
    )
    expect(output).toContain('StoreError unwritable Importing tiny:latest')
    expect(await filesBelow(folder)).toEqual([])
  })

  it('into a full disk says so and what to do', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    expect(fileError('Importing tiny into', '/models', full)).toMatchObject({
      code: 'no-space',
      message: expect.stringMatching(/\/models: the disk is full\. Free some space/),
    })
  })

  it('under something that is no name is refused before a byte is read', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await expect(catalog.importGguf('../escape', tinySource())).rejects.toMatchObject({ code: 'invalid-name' })
    expect(await filesBelow(folder)).toEqual([])
  })
})

describe('a store that is opened', () => {
  it('holds nothing of an import whose process was killed', async () => {
    const folder = await temporaryFolder()
    const child = await startChild('import-child.ts', folder)
    expect(await filesBelow(folder)).toHaveLength(1)
    await openCatalog(folder)
    expect(await filesBelow(folder)).toHaveLength(1)
    await killChild(child)
    const catalog = await openCatalog(folder)
    expect(await filesBelow(folder)).toEqual([])
    expect(await catalog.list()).toEqual([])
  })

  it('loses old files of other hosts and of an earlier process with our number, and nothing of anybody else', async () => {
    const folder = await temporaryFolder()
    const blobs = join(folder, 'blobs')
    await mkdir(blobs)
    const staged = (host: string, pid: number) => `omx-staged-${host}-${pid}-00000000-0123456789abcdef`
    const ours = staged(hostname().replace(/[^A-Za-z0-9]/g, ''), process.pid)
    const old = [
      staged('elsewhere', 1),
      `sha256-${'0'.repeat(64)}-partial`,
      `sha256-${'0'.repeat(64)}-partial-0`,
      'notes',
    ]
    const young = staged('another', 1)
    for (const name of [ours, young, ...old]) await writeFile(join(blobs, name), 'x')
    const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1000)
    for (const name of old) await utimes(join(blobs, name), twoHoursAgo, twoHoursAgo)
    await openCatalog(folder)
    expect(readdirSync(blobs).sort()).toEqual([young, ...old.slice(1)].sort())
  })

  it('that cannot be created is named', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), '')
    await chmod(join(folder, 'file'), 0o600)
    await expect(openCatalog(join(folder, 'file'))).rejects.toThrow(/Creating the models folder .*file/)
  })
})
