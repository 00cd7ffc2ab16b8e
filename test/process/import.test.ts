/** Models that come in by the command, good and bad, with a node and without one. */
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
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
      { words: ['../bad', tinyGguf], says: /is not a model name: expected \[namespace\/\]model\[:tag\]/ },
    ]
    for (const { words, says } of cases) {
      const failed = await omx('import', ...words, '--data', data)
      expect(failed).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(says) })
      expect(failed.stderr).toMatch(/^omx-node: [^\n]+\n$/)
    }
    expect(readdirSync(join(data, 'models', 'blobs'))).toEqual(before)
    expect((await node.client.list()).models.map(({ name }) => name)).toEqual(['fresh:latest'])
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
  it('is a clear error for its requests; the node and its other models go on', async () => {
    const data = cluster.newFolder()
    await omx('import', 'good', tinyGguf, '--data', data)
    const models = join(data, 'models')
    const library = join(models, 'manifests', 'registry.ollama.ai', 'library')
    const manifest = JSON.parse(readFileSync(join(library, 'good', 'latest'), 'utf8'))
    const layer = manifest.layers.find(({ mediaType }: { mediaType: string }) => mediaType.endsWith('.model'))
    const blob = (digest: string) => join(models, 'blobs', digest.replace(':', '-'))
    // The header of a model and nothing behind it; and bytes that were never a model.
    const damaged = { half: readFileSync(tinyGguf).subarray(0, 400_000), noise: Buffer.alloc(5_000, 'noise') }
    for (const [name, bytes] of Object.entries(damaged)) {
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
      writeFileSync(blob(digest), bytes)
      const layers = [{ ...layer, digest, size: bytes.length }]
      mkdirSync(join(library, name), { recursive: true })
      writeFileSync(join(library, name, 'latest'), JSON.stringify({ ...manifest, layers }))
    }
    mkdirSync(join(library, 'gone'), { recursive: true })
    copyFileSync(join(library, 'good', 'latest'), join(library, 'gone', 'latest'))
    writeFileSync(
      join(library, 'gone', 'latest'),
      JSON.stringify({ ...manifest, layers: [{ ...layer, digest: `sha256:${'0'.repeat(64)}` }] }),
    )

    const node = await cluster.start('node', { data })
    for (const name of ['half', 'noise', 'gone']) {
      const body = JSON.stringify({ model: name, prompt: 'x', stream: false })
      const response = await fetch(`${node.url}/api/generate`, { method: 'POST', body })
      const { error } = (await response.json()) as { error: string }
      expect([name, response.status]).toEqual([
        name,
        expect.toSatisfy((status: number) => status === 500 || status === 404),
      ])
      expect(error).toContain(name)
    }
    expect((await node.client.generate({ model: 'good', prompt: 'x', options })).eval_count).toBe(5)
    expect((await node.status()).state).toBe('serving')
  })
})
