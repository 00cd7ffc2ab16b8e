import { describe, expect, it } from 'vitest'
import type { TransitionLine } from '../../protocols/operations.ts'
import type { Message, Ref } from '../../protocols/ref.ts'
import { here } from '../../src/runtime/here.ts'
import { assign, fromPromise, fromTransition, setup } from '../../src/runtime/logic.ts'
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

describe('a deadlock', () => {
  const question = { type: 'health.probe' }
  const answer = { type: 'health.state', state: 'serving', activeTasks: 0, uptimeMs: 1 }
  type Asked = { readonly type: string; readonly replyTo?: Ref }

  /** Answers a probe once `next` has answered one of its own, or does not. */
  const dependent = setup({
    types: { context: {} as { next: Ref; replyTo?: Ref | undefined }, input: {} as { next: Ref }, events: {} as Asked },
    actors: {
      asking: fromPromise<Message, Ref>(({ input, system }) => here(system).ask(input, question, 20_000)),
    },
    actions: {
      answer: ({ context, system }) => context.replyTo && here(system).tell(context.replyTo, answer),
    },
  }).createMachine({
    context: ({ input }) => input,
    initial: 'idle',
    states: {
      idle: {
        on: { 'health.probe': { target: 'asking', actions: assign({ replyTo: ({ event }) => event.replyTo }) } },
      },
      asking: {
        invoke: {
          src: 'asking',
          input: ({ context }) => context.next,
          onDone: { target: 'idle', actions: 'answer' },
          onError: 'idle',
        },
      },
    },
  })

  const start = (cluster: SiteCluster, at: Ref, next: Ref) => {
    const [node = '', , id = ''] = at.split('/')
    cluster.site(node).runtime.spawn({ id, logic: dependent, input: { next } }, `${node}/node`)
  }

  it('of two actors is shown with both waits, and is over with their timeouts', async () => {
    const cluster = await SiteCluster.of({ a: {}, b: {} })
    start(cluster, 'a/node/one', 'a/node/two')
    start(cluster, 'a/node/two', 'a/node/one')
    cluster.site('a').tell('one', question)
    await cluster.world.run(500)
    const young = await cluster.settle(cluster.operations('b').inspect('a'))
    expect(young.deadlocks).toEqual([])
    await cluster.world.run(2700)
    const { deadlocks, asks, actors } = await cluster.settle(cluster.operations('b').inspect('a'))
    expect(deadlocks).toMatchObject([
      [
        { asker: 'a/node/one', asked: 'a/node/two', type: 'health.probe', ageMs: expect.closeTo(3200, -2) },
        { asker: 'a/node/two', asked: 'a/node/one' },
      ],
    ])
    expect(asks).toMatchObject([
      { asker: 'node/one', asked: 'a/node/two' },
      { asker: 'node/two', asked: 'a/node/one' },
    ])
    expect(actors.find(({ path }) => path === 'node/two')).toMatchObject({ state: 'asking', owes: 1 })
    await cluster.world.run(20_000)
    expect((await cluster.settle(cluster.operations('b').inspect('a'))).deadlocks).toEqual([])
  })

  it('of three actors on two nodes is found from either node', async () => {
    const cluster = await SiteCluster.of({ a: {}, b: {}, c: {} })
    for (const node of ['a', 'b']) await cluster.site(node).runtime.stop(`${node}/node/health`)
    start(cluster, 'a/node/health', 'b/node/health')
    start(cluster, 'b/node/health', 'b/node/helper')
    start(cluster, 'b/node/helper', 'a/node/health')
    cluster.site('a').tell('health', question)
    await cluster.world.run(3000)
    for (const node of ['a', 'b']) {
      const { deadlocks } = await cluster.settle(cluster.operations('c').inspect(node))
      const circle = (deadlocks?.[0] ?? []).map(({ asker }) => asker)
      expect(circle.toSorted(), node).toEqual(['a/node/health', 'b/node/health', 'b/node/helper'])
      expect(deadlocks?.[0]?.every(({ type, ageMs }) => type === 'health.probe' && ageMs > 1000)).toBe(true)
    }
    expect((await cluster.settle(cluster.operations('c').inspect('c'))).deadlocks).toEqual([])
  })
})

describe('facts', () => {
  it('of another node come after the cursor of the last answer', async () => {
    const cluster = await SiteCluster.of({ a: {}, b: {} })
    const { facts } = cluster.operations('a')
    const { cursor } = await cluster.settle(facts('b', undefined))
    cluster.site('b').tell('health', poison())
    await cluster.world.run(500)
    const news = await cluster.settle(facts('host-b', cursor))
    expect(news).toMatchObject({ node: 'b', name: 'host-b', missed: 0 })
    expect(news.facts).toContainEqual(expect.objectContaining({ kind: 'exited', subject: 'node/health' }))
    expect(news.facts).toContainEqual(expect.objectContaining({ kind: 'exited', subject: 'node/inspector' }))
    expect(news.cursor).toBeGreaterThan(cursor)
  })

  it.each(['inspector.recent', 'inspector.snapshot'])(
    'and counters are absent from a node of an earlier version (%s)',
    async (type) => {
      const cluster = await SiteCluster.of({ a: {}, b: {} })
      await cluster.site('b').runtime.stop('b/node/inspector')
      const row = { path: 'node', state: 'running', waiting: 0, restarts: 0, epoch: 1, lastExit: null }
      const earlier = fromTransition((state: null, event: { type: string; replyTo?: Ref }, { system }) => {
        if (event.type === 'inspector.snapshot') {
          here(system).tell(event.replyTo as Ref, { type: 'inspector.tree', actors: [row] })
        }
        return state
      }, null)
      cluster.site('b').runtime.spawn({ id: 'inspector', logic: earlier }, 'b/node')
      const { inspect, facts } = cluster.operations('a')
      if (type === 'inspector.snapshot') {
        expect(await cluster.settle(inspect('b'))).toEqual({ node: 'b', name: 'host-b', actors: [row] })
      } else {
        await expect(cluster.settle(facts('b', undefined))).rejects.toMatchObject({ code: 'internal' })
      }
    },
  )
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
