import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { held, loaded, post, type Running, startFake } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

interface Row {
  readonly name: string
  readonly modified_at: string
  readonly expires_at: string
  readonly details: object
}

async function rows(path: string): Promise<readonly Row[]> {
  const response = await fetch(node.url + path)
  return ((await response.json()) as { models: Row[] }).models
}

describe('GET /api/tags', () => {
  it("lists the cluster's models with Ollama's fields in their order", async () => {
    const [row] = await rows('/api/tags')
    expect(Object.keys(row ?? {})).toEqual([
      'name',
      'model',
      'modified_at',
      'size',
      'digest',
      'details',
      'capabilities',
    ])
    expect(row).toMatchObject({ name: 'demo:latest', model: 'demo:latest', size: 1_234, digest: held.digest })
    expect(row?.details).toEqual({ ...held.details, context_length: 512, embedding_length: 64 })
    expect(Date.parse(row?.modified_at ?? '')).toBe(held.modifiedAtMs)
  })

  it('puts the newest first', async () => {
    const at = (name: string, modifiedAtMs: number) => ({ ...held, name, modifiedAtMs })
    node.cluster.heldModels = [at('old', 1_000), at('new', 90_000), at('twin', 90_400), at('middle', 50_000)]
    expect((await rows('/api/tags')).map(({ name }) => name)).toEqual(['new', 'twin', 'middle', 'old'])
  })

  it('lists nothing as an empty list', async () => {
    node.cluster.heldModels = []
    expect(await (await fetch(`${node.url}/api/tags`)).text()).toBe('{"models":[]}')
  })
})

describe('GET /api/ps', () => {
  it('lists what is loaded, the longest-lived first and those that stay for ever three centuries ahead', async () => {
    const until = (name: string, expiresAtMs: number) => ({ ...loaded, name, expiresAtMs })
    node.cluster.loadedModels = [until('soon', 5_000), until('later', 9_000), until('ever', -1)]
    const listed = await rows('/api/ps')
    expect(listed.map(({ name }) => name)).toEqual(['ever', 'later', 'soon'])
    expect(Object.keys(listed[0] ?? {})).toEqual([
      'name',
      'model',
      'size',
      'digest',
      'details',
      'expires_at',
      'size_vram',
      'context_length',
    ])
    const years = (Date.parse(listed[0]?.expires_at ?? '') - Date.now()) / (365.25 * 24 * 3600 * 1000)
    expect(Math.round(years)).toBe(292)
  })
})

describe('POST /api/show', () => {
  const show = (body: object) => post(`${node.url}/api/show`, body)

  it('answers what the cluster knows, asked by model or by name', async () => {
    expect((await show({ model: 'demo', verbose: true })).json).toMatchObject({ model_info: { verbose: true } })
    expect((await show({ name: 'demo' })).json).toMatchObject({ model_info: { verbose: false } })
  })

  it.each([
    [{}, 400, 'model is required'],
    [{ model: '!' }, 400, 'invalid model name'],
    [{ model: 'absent' }, 404, "model 'absent:latest' not found"],
  ])('answers %j with %d %s', async (fields, status, error) => {
    const answer = await show(fields)
    expect([answer.status, answer.json]).toEqual([status, { error }])
  })
})
