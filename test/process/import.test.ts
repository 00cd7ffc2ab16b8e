/** Models that come in by the command, good and bad, with a node and without one. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'
import { omx } from './support/omx-process.ts'

const cluster = useCluster()
const options = { temperature: 0, num_predict: 5 }

/** What every node is to know of an import, at the latest. */
const visibleWithinMs = 3_000

describe('into a running node', () => {
  const data = cluster.newFolder()
  let node: OmxNode
  let other: OmxNode

  beforeAll(async () => {
    node = await cluster.start('node', { data })
    other = await cluster.start('other', { join: node })
    await Promise.all([node.sees(other), other.sees(node)])
  })

  it('a model is there at once, and at every other node within 3 s', async () => {
    const imported = await omx('import', 'fresh', tinyGguf, '--data', data, '--json')
    expect(imported).toMatchObject({ code: 0, stderr: '' })
    const { status, model } = JSON.parse(imported.stdout)
    expect([status, model.name]).toEqual(['success', 'fresh:latest'])
    const doneMs = performance.now()
    expect((await node.client.list()).models.map(({ name }) => name)).toEqual(['fresh:latest'])
    await other.knowsHolders('fresh', node)
    expect(performance.now() - doneMs).toBeLessThan(visibleWithinMs)
    expect((await other.models())[0]).toEqual({
      name: 'fresh:latest',
      digest: model.digest,
      size: model.size,
      holders: [{ node: node.id, name: 'node', loaded: false }],
    })
    const answer = await other.client.generate({ model: 'fresh', prompt: 'x', options })
    expect(answer.eval_count).toBe(5)
  })

  it('the same file under the same name is the same version, on every host', async () => {
    const again = await omx('import', 'fresh', tinyGguf, '--data', data, '--json')
    const alone = await omx('import', 'fresh', tinyGguf, '--data', cluster.newFolder(), '--json')
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(alone.stdout))
    expect((await node.client.list()).models).toHaveLength(1)
  })

  it('what is no usable model is refused in one sentence, and nothing of it stays', async () => {
    const before = readdirSync(join(data, 'models', 'blobs'))
    const truncated = join(cluster.newFolder(), 'truncated.gguf')
    mkdirSync(join(truncated, '..'), { recursive: true })
    writeFileSync(truncated, readFileSync(tinyGguf).subarray(0, 400_000))
    const text = `${truncated}.txt`
    writeFileSync(text, 'this is no model')
    const cases = [
      { words: ['bad', truncated], says: /truncated|shorter|incomplete|bytes/i },
      { words: ['bad', text], says: /is not a GGUF file/ },
      { words: ['bad', join(text, '..', 'nothing.gguf')], says: /^omx-node: There is no file / },
      { words: ['../bad', tinyGguf], says: /is not a model name: expected \[host\/\]\[namespace\/\]model\[:tag\]/ },
    ]
    for (const { words, says } of cases) {
      const failed = await omx('import', ...words, '--data', data)
      expect(failed).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(says) })
      expect(failed.stderr).toMatch(/^omx-node: [^\n]+\n$/)
    }
    expect(readdirSync(join(data, 'models', 'blobs'))).toEqual(before)
    expect((await node.client.list()).models.map(({ name }) => name)).toEqual(['fresh:latest'])
  })

  it('a model is copied and deleted by way of any node, where it is held', async () => {
    const heldNames = async () => (await node.client.list()).models.map(({ name }) => name).sort()
    await other.client.copy({ source: 'fresh', destination: 'again:v2' })
    expect(await heldNames()).toEqual(['again:v2', 'fresh:latest'])
    await eventually('other lists the copy', async () =>
      (await other.client.list()).models.some(({ name }) => name === 'again:v2'),
    )
    await other.client.delete({ model: 'again:v2' })
    expect(await heldNames()).toEqual(['fresh:latest'])
    expect((await node.client.generate({ model: 'fresh', prompt: 'Hello!', options })).done).toBe(true)
    await expect(other.client.delete({ model: 'again:v2' })).rejects.toThrow("model 'again:v2' not found")
  })

  it('by its address works where its data folder is known, and is refused without', async () => {
    const named = await omx('import', 'named', tinyGguf, '--data', data, '--api', node.url)
    expect(named).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Imported named:latest: 1\.7 MB, version /) })
    const stranger = await omx('import', 'stolen', tinyGguf, '--data', cluster.newFolder(), '--api', node.url)
    expect(stranger).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^omx-node: [^\n]*token[^\n]*\n$/) })
  })
})

describe('into a folder without a node', () => {
  it('a model is there when a node starts on it', async () => {
    const data = cluster.newFolder()
    const imported = await omx('import', 'mine/model:v1', tinyGguf, '--data', data)
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining('Imported mine/model:v1: 1.7 MB') })
    const node = await cluster.start('node', { data, engine: 'sim' })
    expect((await node.client.list()).models.map(({ name }) => name)).toEqual(['mine/model:v1'])
    expect((await node.client.generate({ model: 'mine/model:v1', prompt: 'x', options })).eval_count).toBe(5)
  })
})

describe('a model that was damaged on disk', () => {
  let node: OmxNode
  let store: Store

  beforeAll(async () => {
    const data = cluster.newFolder()
    await omx('import', 'good', tinyGguf, '--data', data)
    store = new Store(join(data, 'models'))
    const gguf = readFileSync(tinyGguf)
    store.add('short', gguf.subarray(0, 400_000))
    store.add('noise', Buffer.alloc(5_000, 'noise'))
    // An architecture that llama.cpp does not know, in an otherwise sound file.
    store.add('alien', Buffer.from(gguf.toString('latin1').replaceAll('llama', 'allam'), 'latin1'))
    store.add('later', Buffer.concat([gguf, Buffer.alloc(32)]))
    node = await cluster.start('node', { data })
  })

  it('is not listed when it cannot even be read; who asks for it, and the log, hear which file and what to do', async () => {
    expect((await node.client.list()).models.map(({ name }) => name).toSorted()).toEqual([
      'alien:latest',
      'good:latest',
      'later:latest',
    ])
    for (const name of ['short', 'noise']) {
      const answer = await ask(name)
      expect(answer.status).toBe(500)
      expect(answer.error).toContain(store.blobs.get(name))
      expect(node.process.stderr).toContain(store.blobs.get(name))
    }
    expect(node.process.stderr).toContain('it has 400000 bytes where its header asks for 1669600')
  })

  it('is a clear error when the engine cannot use it; the node and its other models go on', async () => {
    writeFileSync(store.blobs.get('later') as string, 'cut short while the node ran')
    for (const name of ['alien', 'later']) {
      const { status, error } = await ask(name)
      expect([name, status]).toEqual([name, 500])
      expect(error).toContain(`${name}:latest`)
    }
    expect((await node.client.generate({ model: 'good', prompt: 'x', options })).eval_count).toBe(5)
    expect((await node.status()).state).toBe('serving')
  })

  async function ask(model: string): Promise<{ status: number; error?: string }> {
    const body = JSON.stringify({ model, prompt: 'x', stream: false })
    const response = await fetch(`${node.url}/api/generate`, { method: 'POST', body })
    return { status: response.status, ...((await response.json()) as object) }
  }
})

/** Ollama's layout, written by hand: the manifest of `good` with another file behind it. */
class Store {
  /** Where the file of each model lies. */
  readonly blobs = new Map<string, string>()
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  add(name: string, bytes: Buffer): void {
    const library = join(this.#folder, 'manifests', 'registry.ollama.ai', 'library')
    const manifest = JSON.parse(readFileSync(join(library, 'good', 'latest'), 'utf8'))
    const hash = createHash('sha256').update(bytes).digest('hex')
    const path = join(this.#folder, 'blobs', `sha256-${hash}`)
    writeFileSync(path, bytes)
    this.blobs.set(name, path)
    const layers = manifest.layers.map((layer: { mediaType: string }) =>
      layer.mediaType.endsWith('.model') ? { ...layer, digest: `sha256:${hash}`, size: bytes.length } : layer,
    )
    mkdirSync(join(library, name))
    writeFileSync(join(library, name, 'latest'), JSON.stringify({ ...manifest, layers }))
  }
}
