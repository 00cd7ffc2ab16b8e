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

  it('lists what is being loaded as if it were unused from now on: its time has not begun', async () => {
    const until = (name: string, rest: object) => ({ ...loaded, name, expiresAtMs: 0, ...rest })
    node.cluster.loadedModels = [
      until('ready', { expiresAtMs: Date.now() + 60_000 }),
      until('loading', { loading: { keepAliveMs: 300_000 } }),
      until('ever', { loading: { keepAliveMs: -1 } }),
    ]
    const beforeMs = Date.now()
    const listed = await rows('/api/ps')
    expect(listed.map(({ name }) => name)).toEqual(['ever', 'loading', 'ready'])
    const expiresAtMs = Date.parse(listed[1]?.expires_at ?? '')
    expect(expiresAtMs - beforeMs).toBeGreaterThanOrEqual(300_000)
    expect(expiresAtMs - Date.now()).toBeLessThanOrEqual(300_000)
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

const send = (method: string, path: string, body?: object) =>
  fetch(node.url + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })

describe('POST /api/copy and DELETE /api/delete', () => {
  it('answer 200 with nothing, and take the deprecated name', async () => {
    const copied = await send('POST', '/api/copy', { source: 'demo', destination: 'other' })
    expect([copied.status, await copied.text()]).toEqual([200, ''])
    for (const body of [{ model: 'demo' }, { name: 'demo' }]) {
      const removed = await send('DELETE', '/api/delete', body)
      expect([removed.status, await removed.text()]).toEqual([200, ''])
    }
    expect(node.cluster.copied).toEqual([['demo', 'other']])
    expect(node.cluster.removed).toEqual(['demo', 'demo'])
  })

  it.each([
    ['POST', '/api/copy', { source: '', destination: 'x' }, 400, 'source "" is invalid'],
    ['POST', '/api/copy', { source: 'demo', destination: 'a b' }, 400, 'destination "a b" is invalid'],
    ['POST', '/api/copy', { source: 'absent', destination: 'x' }, 404, 'model "absent" not found'],
    ['DELETE', '/api/delete', {}, 400, 'model is required'],
    ['DELETE', '/api/delete', { model: '../x' }, 400, 'name "../x" is invalid'],
    ['DELETE', '/api/delete', { model: 'absent' }, 404, "model 'absent' not found"],
  ])('%s %s %j answers %d %s', async (method, path, body, status, error) => {
    const answer = await send(method, path, body)
    expect([answer.status, await answer.json()]).toEqual([status, { error }])
  })
})

describe('what Ollama’s cloud offers', () => {
  const disabled = { error: 'ollama cloud is disabled: remote model is unavailable' }

  it.each([
    ['GET', '/api/status', 200, { cloud: { disabled: true, source: 'config' } }],
    ['POST', '/api/me', 403, disabled],
    ['POST', '/api/signout', 200, null],
    ['DELETE', '/api/user/keys/abc', 200, null],
    ['POST', '/api/experimental/web_search', 403, disabled],
    ['GET', '/api/experimental/model-recommendations', 200, { recommendations: [] }],
  ])('%s %s answers %d %j', async (method, path, status, body) => {
    const answer = await send(method, path)
    expect([answer.status, await answer.json()]).toEqual([status, body])
  })
})
