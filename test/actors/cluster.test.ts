import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../protocols/ref.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { digestA, digestB, held } from './support/reports.ts'
import { Site, type SiteInit } from './support/site.ts'

const model = held('m:latest', digestA)

/** A cluster whose nodes are all given the same address to join; the first is that node. */
class Cluster {
  readonly world: SimulatedWorld
  readonly lan: Lan
  readonly sites = new Map<NodeId, Site>()

  constructor(seed = 1) {
    this.world = new SimulatedWorld(seed)
    this.lan = new Lan(this.world)
  }

  start(node: NodeId, init: SiteInit = {}): Site {
    const site = new Site(this.lan, node, init)
    this.sites.set(node, site)
    return site
  }

  static async of(nodes: readonly NodeId[], seed = 1): Promise<Cluster> {
    const cluster = new Cluster(seed)
    nodes.forEach((node, index) => {
      cluster.start(node, index === 0 ? { models: [model] } : { join: ['a'] })
    })
    await cluster.world.run(2000)
    return cluster
  }

  at(node: NodeId): Site {
    return this.sites.get(node) as Site
  }

  /** How each node sees the others, as `a>b healthy`. */
  async opinions(): Promise<string[]> {
    const found: string[] = []
    for (const site of this.sites.values()) {
      for (const [node, state] of Object.entries(await site.peers())) found.push(`${site.node}>${node} ${state}`)
    }
    return found.toSorted()
  }

  async expectWhole(): Promise<void> {
    const nodes = [...this.sites.keys()]
    const all = nodes.flatMap((a) => nodes.filter((b) => b !== a).map((b) => `${a}>${b} healthy`))
    expect(await this.opinions()).toEqual(all.toSorted())
  }
}

describe('nodes that were given one address', () => {
  it.each([1, 2, 3])("all become healthy for each other and know each other's reports (seed %i)", async (seed) => {
    const cluster = await Cluster.of(['a', 'b', 'c', 'd'], seed)
    await cluster.expectWhole()
    for (const site of cluster.sites.values()) {
      const reports = [...(await site.view()).values()].map(({ node, report }) => [node, report?.api, report?.node])
      expect(reports.toSorted()).toEqual(['a', 'b', 'c', 'd'].map((node) => [node, `${node}:11434`, node]))
    }
  })

  it("serve each other's models", async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    for (const node of ['a', 'b', 'c']) {
      const { frames } = await cluster.at(node).generate()
      expect(frames.at(-1), node).toMatchObject({ kind: 'done' })
      expect(frames.filter(({ kind }) => kind === 'token').length, node).toBeGreaterThan(0)
    }
  })

  it("know each other's addresses and round trips", async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    await cluster.world.run(3000)
    const row = (await cluster.at('b').view()).get('c')
    expect(row?.addresses).toEqual(['/lan/c'])
    expect(row?.rttMs).toBeGreaterThan(0)
    expect(row?.rttMs).toBeLessThan(10)
  })

  it('join when the first of them starts late', async () => {
    const cluster = new Cluster()
    cluster.start('b', { join: ['a'] })
    cluster.start('c', { join: ['a'] })
    await cluster.world.run(20_000)
    expect(await cluster.opinions()).toEqual([])
    cluster.start('a', { models: [model] })
    await cluster.world.run(13_000)
    await cluster.expectWhole()
  })
})

describe('reports', () => {
  it('reach the others within two seconds by gossip', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    cluster.at('a').models = [model, held('n:latest', digestB)]
    cluster.at('a').ask('models', { type: 'models.refresh' })
    await cluster.world.run(2100)
    for (const node of ['b', 'c']) {
      expect((await cluster.at(node).view()).get('a')?.report?.models).toHaveLength(2)
    }
  })

  it('that gossip lost are asked for when a heartbeat names them', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    cluster.lan.gossips = () => false
    cluster.at('a').models = [model, held('n:latest', digestB)]
    cluster.at('a').ask('models', { type: 'models.refresh' })
    await cluster.world.run(2500)
    for (const node of ['b', 'c']) {
      expect((await cluster.at(node).view()).get('a')?.report?.models).toHaveLength(2)
    }
  })

  it('that gossip lost once do not spoil the ones that come after', async () => {
    const cluster = await Cluster.of(['a', 'b'])
    cluster.lan.gossips = () => false
    cluster.at('a').models = [model, held('n:latest', digestB)]
    cluster.at('a').ask('models', { type: 'models.refresh' })
    await cluster.world.run(100)
    cluster.lan.gossips = () => true
    cluster.at('a').models = []
    cluster.at('a').ask('models', { type: 'models.refresh' })
    await cluster.world.run(4000)
    expect((await cluster.at('b').view()).get('a')?.report?.models).toEqual([])
  })
})

describe('a node that dies', () => {
  it('is unreachable for all others at once, and its work goes elsewhere', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    cluster.at('b').models = [model]
    cluster.at('b').ask('models', { type: 'models.refresh' })
    await cluster.world.run(3000)
    cluster.at('a').kill()
    await cluster.world.run(100)
    expect(await cluster.at('b').peers()).toMatchObject({ a: 'unreachable' })
    expect(await cluster.at('c').peers()).toMatchObject({ a: 'unreachable' })
    expect((await cluster.at('c').generate()).frames.at(-1)).toMatchObject({ kind: 'done' })
  })

  it('and comes back as the same peer is healthy again, and who joined through it still knows it', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    cluster.at('c').kill()
    await cluster.world.run(5000)
    cluster.start('c', { join: ['a'] })
    await cluster.world.run(3000)
    await cluster.expectWhole()
  })

  it('and comes back before anybody noticed is a restart: what was watched there is down', async () => {
    const cluster = await Cluster.of(['a', 'b'])
    const down: string[] = []
    const observer = cluster.at('a').runtime
    const nodeDown = observer.nodeDown.bind(observer)
    observer.nodeDown = (node) => {
      down.push(node)
      nodeDown(node)
    }
    cluster.at('b').kill()
    cluster.start('b', { join: ['a'] })
    await cluster.world.run(3000)
    await cluster.expectWhole()
    expect(down).toEqual(['b'])
  })

  it('is forgotten after ten minutes', async () => {
    const cluster = await Cluster.of(['a', 'b'])
    cluster.at('b').kill()
    await cluster.world.run(11 * 60_000)
    expect(await cluster.at('a').peers()).toEqual({})
  })
})

it('a model that only a dead node holds is not said to be unknown: the refusal names that node', async () => {
  const cluster = await Cluster.of(['a', 'b'])
  cluster.at('a').kill()
  await cluster.world.run(100)
  expect((await cluster.at('b').generate()).refused).toBe('holders-gone')
  expect((await cluster.at('b').generate('nope')).refused).toBe('model-not-found')
})

describe('a node that leaves', () => {
  it('says goodbye and is forgotten at once by all', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    void cluster.at('c').runtime.stop('c/node')
    await cluster.world.run(700)
    expect(await cluster.at('a').peers()).toEqual({ b: 'healthy' })
    expect(await cluster.at('b').peers()).toEqual({ a: 'healthy' })
    await cluster.world.run(60_000)
    expect(await cluster.at('a').peers()).toEqual({ b: 'healthy' })
  })

  it('is dialled again by those who joined at its address, until it is back', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    void cluster.at('a').runtime.stop('a/node')
    await cluster.world.run(5000)
    expect(await cluster.at('b').peers()).toEqual({ c: 'healthy' })
    expect(cluster.at('b').stateOf('joiners/0')).not.toBe('joined')
    cluster.start('a', { models: [model] })
    await cluster.world.run(13_000)
    await cluster.expectWhole()
  })
})

describe('silence between two sides', () => {
  it('makes each unreachable for the other within five seconds, and all are healthy again once it is over', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c', 'd'])
    cluster.lan.silence(['a', 'b'], ['c', 'd'])
    await cluster.world.run(5000)
    expect(await cluster.opinions()).toEqual(
      ['a>b', 'b>a', 'c>d', 'd>c']
        .map((pair) => `${pair} healthy`)
        .concat(['a>c', 'a>d', 'b>c', 'b>d', 'c>a', 'c>b', 'd>a', 'd>b'].map((pair) => `${pair} unreachable`))
        .toSorted(),
    )
    await cluster.world.run(60_000)
    cluster.lan.heal()
    await cluster.world.run(30_000)
    await cluster.expectWhole()
  })

  it('that is shorter than a heartbeat or three is not even suspicious', async () => {
    const cluster = await Cluster.of(['a', 'b'])
    cluster.lan.silence(['a'], ['b'])
    await cluster.world.run(1400)
    cluster.lan.heal()
    await cluster.world.run(100)
    await cluster.expectWhole()
  })

  it('leaves both sides serving what they hold', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    cluster.at('c').models = [model]
    cluster.at('c').ask('models', { type: 'models.refresh' })
    await cluster.world.run(3000)
    cluster.lan.silence(['a'], ['b', 'c'])
    await cluster.world.run(6000)
    for (const node of ['a', 'b', 'c']) {
      expect((await cluster.at(node).generate()).frames.at(-1), node).toMatchObject({ kind: 'done' })
    }
  })
})

describe('a link that breaks', () => {
  it('is redialled, and nobody is declared down', async () => {
    const cluster = await Cluster.of(['a', 'b', 'c'])
    const down: string[] = []
    for (const site of cluster.sites.values()) {
      const nodeDown = site.runtime.nodeDown.bind(site.runtime)
      site.runtime.nodeDown = (node) => {
        down.push(`${site.node}>${node}`)
        nodeDown(node)
      }
    }
    for (let i = 0; i < 10; i++) {
      cluster.lan.cut('a', 'b')
      await cluster.world.run(300)
    }
    await cluster.world.run(2000)
    await cluster.expectWhole()
    expect(down).toEqual([])
  })
})
