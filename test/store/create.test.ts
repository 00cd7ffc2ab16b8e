import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { NewModel } from '../../actors/model-catalog.ts'
import { type Catalog, openCatalog } from '../../src/store/catalog.ts'
import { sha256Hex } from '../../src/store/manifest.ts'
import { killChild, startChild } from './child.ts'
import { filesBelow, ggufBytes, temporaryFolder, tinyHex, tinyPath, tinySource } from './fixtures.ts'
import { splitTiny } from './split.ts'

const nothing = { files: {}, adapters: {}, licenses: [], parameters: {}, messages: [] }
const manifestOf = (folder: string, name: string) =>
  readFile(join(folder, 'manifests/registry.ollama.ai/library', name, 'latest'))

async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts
}

/** Uploads files and makes a model of them; the steps it told. */
async function create(catalog: Catalog, request: Partial<NewModel> & { name: string }, given: Record<string, Buffer>) {
  const files: Record<string, string> = {}
  for (const [file, bytes] of Object.entries(given)) {
    files[file] = `sha256:${sha256Hex(bytes)}`
    if (!(await catalog.hasBlob(files[file]))) await catalog.writeBlob(files[file], chunks(bytes), bytes.length)
  }
  const steps: string[] = []
  await catalog.create({ ...nothing, files, ...request }, (step) => void steps.push(step))
  return steps
}

const tiny = readFileSync(tinyPath)

describe('a model made of a file', () => {
  it('is the version that an import of the file gives', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    const bare = ggufBytes({ 'general.architecture': 'llama' })
    await create(catalog, { name: 'made' }, { 'bare.gguf': bare })
    await catalog.importGguf('imported', chunks(bare))
    expect(await manifestOf(folder, 'made')).toEqual(await manifestOf(folder, 'imported'))
    expect(await readdir(join(folder, 'blobs'))).toHaveLength(2)
  })

  it('has the Go template that renders what its own does, and the strings that end an answer', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const steps = await create(catalog, { name: 'made' }, { 'tiny.gguf': tiny })
    expect(steps).toContain('using autodetected template chatml')
    const shown = await catalog.show('made', false)
    expect(shown?.template).toContain('{{ range .Messages }}<|im_start|>{{ .Role }}')
    expect(shown?.parameters).toMatch(/^stop +"<\|im_start\|>"\nstop +"<\|im_end\|>"$/)
  })

  it('has the template and the stop strings of the request before those', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const steps = await create(catalog, { name: 'own', template: 'Q: {{ .Prompt }}' }, { 'tiny.gguf': tiny })
    expect(steps.filter((step) => step.includes('autodetected'))).toEqual([])
    expect((await catalog.show('own', false))?.template).toBe('Q: {{ .Prompt }}')
    await create(catalog, { name: 'stopped', parameters: { stop: ['.'], seed: 1 } }, { 'tiny.gguf': tiny })
    expect((await catalog.show('stopped', false))?.parameters).toMatch(/^seed +1\nstop +"\."$/)
  })

  it('keeps the images and the tool calls of its messages, and shows what was said', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const messages: NewModel['messages'] = [
      { role: 'user', content: 'look', images: [Buffer.from([1, 2, 3])] },
      { role: 'assistant', content: '', toolCalls: [{ id: 'c', index: 0, name: 'look', arguments: { a: 1 } }] },
    ]
    await create(catalog, { name: 'shown', messages }, { 'tiny.gguf': tiny })
    const [held] = await catalog.list()
    expect((await catalog.find(held?.digest ?? ''))?.messages).toEqual(messages)
    expect((await catalog.show('shown', false))?.messages).toEqual([
      { role: 'user', content: 'look' },
      { role: 'assistant', content: '' },
    ])
  })

  it('has its projector beside it, whichever is named first', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const projector = ggufBytes({ 'general.architecture': 'clip', 'clip.vision.block_count': 1 })
    await create(catalog, { name: 'seer' }, { 'a-mmproj.gguf': projector, 'tiny.gguf': tiny })
    const [held] = await catalog.list()
    expect(held?.details.families).toEqual(['llama', 'clip'])
    expect(held?.capabilities).toContain('vision')
  })

  it('cannot be made of two', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const other = ggufBytes({ 'general.architecture': 'llama' })
    await expect(create(catalog, { name: 'two' }, { 'a.gguf': tiny, 'b.gguf': other })).rejects.toThrow(/both models/)
  })
})

describe('a model made of the parts of a split one', () => {
  it('is the whole one: the same keys, tensors and bytes', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    const parts = await splitTiny(3)
    const named = Object.fromEntries(parts.map((bytes, at) => [`tiny-0000${3 - at}-of-00003.gguf`, bytes]))
    const steps = await create(catalog, { name: 'merged' }, named)
    await create(catalog, { name: 'whole' }, { 'tiny.gguf': tiny })
    expect(steps.filter((step) => step === 'parsing GGUF')).toHaveLength(3)
    expect(steps).toContain(`creating new layer sha256:${tinyHex}`)
    expect(await manifestOf(folder, 'merged')).toEqual(await manifestOf(folder, 'whole'))
  })

  it.each([
    ['with one missing', (parts: Buffer[]) => parts.slice(1), /is one of 3 parts, of which 2 were given/],
    ['with one twice', (parts: Buffer[]) => [parts[0], parts[1], twin(parts[1] as Buffer)], /part 1 of 3/],
  ])('is refused %s, and nothing stays of it', async (_what, choose, words) => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    const chosen = choose(await splitTiny(3)) as Buffer[]
    const named = Object.fromEntries(chosen.map((bytes, at) => [`${at}.gguf`, bytes]))
    await expect(create(catalog, { name: 'merged' }, named)).rejects.toThrow(words)
    expect((await filesBelow(folder)).filter((file) => !/blobs\/sha256-/.test(file))).toEqual([])
  })
})

/** The same part with a byte more at its end. */
const twin = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])

describe('a model made of another one', () => {
  it('inherits what it is not given, adds licences and overrides single parameters', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    const texts = { template: '{{ .Prompt }}', system: 'Old.', licenses: ['MIT'], renderer: 'r', requires: '0.9' }
    const parameters = { temperature: 1, stop: ['a'] }
    await create(catalog, { name: 'base', parameters, ...texts }, { 'tiny.gguf': tiny })
    const request = { name: 'next', from: 'BASE', system: 'New.', licenses: ['GPL'], parameters: { temperature: 0 } }
    await create(catalog, request, {})
    const shown = await catalog.show('next', false)
    expect(shown).toMatchObject({ system: 'New.', license: 'MIT\nGPL', requires: '0.9' })
    expect(shown?.parameters).toBe(`${'stop'.padEnd(30)} "a"\n${'temperature'.padEnd(30)} 0`)
    expect(shown?.modelfile).toContain('TEMPLATE {{ .Prompt }}')
  })

  it('may replace the one that it is made of', async () => {
    const catalog = await openCatalog(await temporaryFolder())
    await create(catalog, { name: 'base' }, { 'tiny.gguf': tiny })
    await create(catalog, { name: 'base', from: 'base', system: 'New.' }, {})
    expect(await catalog.list()).toHaveLength(1)
    expect(await catalog.show('base', false)).toMatchObject({ system: 'New.' })
  })

  it('has the same bytes in whatever order its parameters come', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await create(catalog, { name: 'a', parameters: { top_k: 1, seed: 2 } }, { 'tiny.gguf': tiny })
    await create(catalog, { name: 'b', parameters: { seed: 2, top_k: 1 } }, { 'tiny.gguf': tiny })
    expect(await manifestOf(folder, 'a')).toEqual(await manifestOf(folder, 'b'))
  })

  it('at the same time as others and as removals leaves whole models', async () => {
    const folder = await temporaryFolder()
    const catalog = await openCatalog(folder)
    await create(catalog, { name: 'base', system: 'Old.' }, { 'tiny.gguf': tiny })
    const made = Array.from({ length: 8 }, (_, at) => create(catalog, { name: `m${at}`, from: 'base' }, {}))
    const removed = Array.from({ length: 8 }, (_, at) => catalog.remove(`m${at}`))
    const changes = [...made, ...removed, catalog.copy('base', 'm0'), catalog.remove('base')]
    for (const change of await Promise.allSettled<unknown>(changes)) {
      // What its base has taken with it, none can be made of.
      if (change.status === 'rejected') expect(change.reason).toMatchObject({ code: 'absent' })
    }
    await catalog.list()
    expect(catalog.problems()).toEqual([])
  })
})

describe('blobs that no model names', () => {
  const hourOld = new Date(Date.now() - 61 * 60 * 1000)

  async function unnamed(folder: string, content: string, age: Date | undefined): Promise<string> {
    const hex = sha256Hex(Buffer.from(content))
    const path = join(folder, 'blobs', `sha256-${hex}`)
    await writeFile(path, content)
    if (age !== undefined) await utimes(path, age, age)
    return `blobs/sha256-${hex}`
  }

  it('go an hour after they came, when a folder of our own is opened', async () => {
    const data = await temporaryFolder()
    const folder = join(data, 'models')
    await (await openCatalog(folder, { data })).importGguf('tiny', tinySource())
    for (const blob of await readdir(join(folder, 'blobs'))) await utimes(join(folder, 'blobs', blob), hourOld, hourOld)
    const named = await filesBelow(folder)
    const young = await unnamed(folder, 'young', undefined)
    await unnamed(folder, 'old', hourOld)
    await openCatalog(folder, { data })
    expect(await filesBelow(folder)).toEqual([...named, young].sort())
  })

  it('stay in a folder that somebody pointed at, and while a manifest cannot be read', async () => {
    const [data, foreign] = [await temporaryFolder(), await temporaryFolder()]
    await openCatalog(foreign, { data })
    const kept = await unnamed(foreign, 'old', hourOld)
    await openCatalog(foreign, { data })
    expect(await filesBelow(foreign)).toEqual([kept])
    const folder = join(data, 'models')
    await mkdir(join(folder, 'manifests/a/b/c'), { recursive: true })
    await writeFile(join(folder, 'manifests/a/b/c/d'), '{')
    await openCatalog(folder, { data })
    const needed = await unnamed(folder, 'old', hourOld)
    await openCatalog(folder, { data })
    expect(await filesBelow(folder)).toContain(needed)
  })

  it('go with the version that alone named them when its name means another', async () => {
    const data = await temporaryFolder()
    const folder = join(data, 'models')
    const catalog = await openCatalog(folder, { data })
    await create(catalog, { name: 'base', system: 'Old.' }, { 'tiny.gguf': tiny })
    const before = await readdir(join(folder, 'blobs'))
    await create(catalog, { name: 'base', from: 'base', system: 'New.' }, {})
    const after = await readdir(join(folder, 'blobs'))
    expect(after).toHaveLength(before.length)
    expect(after).not.toContain(`sha256-${sha256Hex(Buffer.from('Old.'))}`)
  })
})

describe('a process that is killed while it makes a model', () => {
  it.each(['open', 'write', 'sync', 'rename 1', 'rename 2', 'rename 3'])(
    'at its %s leaves no file under a final name that is not whole',
    async (step) => {
      const data = await temporaryFolder()
      const folder = join(data, 'models')
      const child = await startChild('create-child.ts', data, step)
      await killChild(child)
      const catalog = await openCatalog(folder, { data })
      for (const file of await filesBelow(folder)) {
        const [, hex] = /^blobs\/sha256-(.+)$/.exec(file) ?? []
        if (hex !== undefined) expect(sha256Hex(await readFile(join(folder, file)))).toBe(hex)
        else expect(file).toMatch(/^manifests\//)
      }
      await catalog.list()
      expect(catalog.problems()).toEqual([])
      expect(await create(catalog, { name: 'made', system: 'Hi.' }, { 'tiny.gguf': tiny })).toContain(
        'writing manifest',
      )
      expect(await catalog.list()).toHaveLength(1)
    },
  )
})
