import { describe, expect, it } from 'vitest'
import type { TransitionLine } from '../../protocols/operations.ts'
import { poison } from '../actors/support/poison.ts'
import { digestA, held } from '../actors/support/reports.ts'
import { newRequest, SiteCluster } from './site-cluster.ts'

const model = held('m:latest', digestA)
const never = new AbortController().signal

const trio = () => SiteCluster.of({ alpha: { models: [model] }, beta: {}, gamma: { models: [model] } })

it('the status of a node counts its peers, its models and its work', async () => {
  const cluster = await SiteCluster.of({ a: { models: [model], sim: { tokensPerSecond: 1 } }, b: {} })
  await cluster.settle(cluster.at('a').submit(newRequest({ options: { num_predict: 50 } }), never))
  await cluster.world.run(1500)
  expect(await cluster.settle(cluster.operations('a').status())).toMatchObject({
    node: 'a',
    name: 'host-a',
    state: 'serving',
    api: 'a:11434',
    p2p: ['/lan/a'],
    peers: { healthy: 1, total: 1 },
    models: 1,
    loaded: 1,
    tasks: { active: 1, queued: 0 },
  })
})

it('the peers of a node are listed with their state, round trip and when they were last heard', async () => {
  const cluster = await trio()
  const before = await cluster.settle(cluster.operations('alpha').peers())
  expect(before.peers.map(({ node, state }) => [node, state])).toEqual([
    ['beta', 'healthy'],
    ['gamma', 'healthy'],
  ])
  for (const { rttMs, lastSeenMs } of before.peers) {
    expect(rttMs).toBeGreaterThan(0)
    expect(lastSeenMs).toBeLessThan(600)
  }
  cluster.site('beta').kill()
  await cluster.world.run(20_000)
  const [beta] = (await cluster.settle(cluster.operations('alpha').peers())).peers
  expect(beta).toMatchObject({ node: 'beta', name: 'host-beta', state: 'unreachable' })
  expect(beta?.lastSeenMs).toBeGreaterThan(19_000)
})

it('the models of a cluster are listed once per version with all who hold them', async () => {
  const cluster = await trio()
  const { models } = await cluster.settle(cluster.operations('beta').models())
  expect(models).toMatchObject([{ name: 'm:latest', digest: digestA, size: 1000 }])
  expect(models[0]?.holders.map(({ node }) => node).toSorted()).toEqual(['alpha', 'gamma'])
})

describe('the inspector', () => {
  it.each([
    [undefined, 'alpha'],
    ['beta', 'beta'],
    ['host-gamma', 'gamma'],
    ['mma', 'gamma'],
  ])('shows the node that is called %s', async (called, node) => {
    const cluster = await trio()
    const answer = await cluster.settle(cluster.operations('alpha').inspect(called))
    expect(answer).toMatchObject({ node, name: `host-${node}` })
    expect(answer.actors.map(({ path }) => path)).toContain('node/scheduler')
  })

  it.each([
    ['nobody', 'no node is called nobody'],
    ['a', '3 nodes are called a'],
  ])('knows no single node called %s', async (called, words) => {
    const cluster = await trio()
    await expect(cluster.settle(cluster.operations('alpha').inspect(called))).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(words),
    })
  })
})

describe('following an actor', () => {
  async function follow(peer: string | undefined, path: string) {
    const cluster = await SiteCluster.of({ a: {}, b: {} })
    const controller = new AbortController()
    const lines = await cluster.settle(cluster.operations('a').follow(peer, path, controller.signal))
    const seen = { lines: [] as TransitionLine[], ended: false }
    void (async () => {
      for await (const line of lines) seen.lines.push(line)
      seen.ended = true
    })()
    const followers = () =>
      cluster
        .site('a')
        .runtime.census()
        .filter((actor) => actor.path.startsWith('node/inspector/')).length
    return { cluster, controller, seen, followers }
  }

  it.each([undefined, 'b'])('gives its transitions one by one (peer %s)', async (peer) => {
    const { cluster, seen } = await follow(peer, 'node/health')
    cluster.site(peer ?? 'a').tell('health', { type: 'drain' })
    await cluster.world.run(50)
    expect(seen.lines).toMatchObject([{ path: 'node/health', from: 'serving', to: 'draining', event: 'drain' }])
    expect(seen.ended).toBe(false)
  })

  it('ends with its reader, and nothing of it stays', async () => {
    const { cluster, controller, seen, followers } = await follow('b', 'node/health')
    expect(followers()).toBe(1)
    controller.abort()
    await cluster.world.run(50)
    expect(seen.ended).toBe(true)
    expect(followers()).toBe(0)
  })

  it('ends when the inspector on either side crashes', async () => {
    for (const side of ['a', 'b']) {
      const { cluster, seen } = await follow('b', 'node/health')
      cluster.site(side).tell('inspector', poison())
      await cluster.world.run(50)
      expect(seen.ended, side).toBe(true)
    }
  })

  it('is refused where there is no such actor, and where the node does not answer', async () => {
    const cluster = await SiteCluster.of({ a: {}, b: {} })
    const { follow } = cluster.operations('a')
    await expect(cluster.settle(follow(undefined, 'node/nobody', never))).rejects.toMatchObject({
      code: 'not-found',
      message: 'there is no actor node/nobody to follow: omx-node inspect lists them',
    })
    cluster.lan.silence(['a'], ['b'])
    await expect(cluster.settle(follow('b', 'node/health', never))).rejects.toMatchObject({ code: 'not-found' })
  })
})

it('an import is answered when the model can be asked for', async () => {
  const cluster = await SiteCluster.of({ a: {} })
  const bytes: number[] = []
  const { importGguf, token } = cluster.operations('a', {
    importGguf: async (_name, _source, onProgress) => {
      onProgress?.(10)
      cluster.site('a').models = [model]
      return model
    },
  })
  expect(token).toBe('secret')
  const source = (async function* () {})()
  expect(await cluster.settle(importGguf('m', source, (count) => void bytes.push(count)))).toEqual(model)
  expect(bytes).toEqual([10])
  const rows = await cluster.settle(cluster.at('a').models())
  expect(rows.map(({ name }) => name)).toEqual(['m:latest'])
})
