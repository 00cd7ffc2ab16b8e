/** Membership of whole nodes on a simulated network: in a full mesh of 8, and in a large one whose nodes probe each other. */
import { describe, expect, it } from 'vitest'
import type { MemberRow } from '../../actors/roster.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { poison } from './support/poison.ts'
import { Site } from './support/site.ts'

const small = 8
/** Many enough to probe and not to beat; `OMX_MEMBERSHIP_NODES=100` tries more than every push does. */
const large = Number(process.env.OMX_MEMBERSHIP_NODES ?? 66)
const nameOf = (index: number): NodeId => `n${String(index).padStart(3, '0')}`

class Cluster {
  readonly world: SimulatedWorld
  readonly lan: Lan
  readonly sites = new Map<NodeId, Site>()
  /** Bytes that each node sent to others. */
  bytes = 0
  /** Who declared whom down, in order. */
  readonly down: string[] = []

  constructor(seed: number) {
    this.world = new SimulatedWorld(seed)
    this.lan = new Lan(this.world)
    const send = this.lan.send.bind(this.lan)
    this.lan.send = (from, to, frame) => {
      this.bytes += frame.length
      return send(from, to, frame)
    }
  }

  static async of(nodes: number, seed = 1): Promise<Cluster> {
    const cluster = new Cluster(seed)
    for (let index = 0; index < nodes; index++) cluster.start(nameOf(index), index === 0 ? [] : [nameOf(0)])
    await cluster.world.run(15_000)
    await cluster.expectWhole()
    cluster.down.splice(0)
    return cluster
  }

  start(node: NodeId, join: readonly NodeId[], life?: number): Site {
    const site = new Site(this.lan, node, { join, ...(life === undefined ? {} : { life }) })
    const nodeDown = site.runtime.nodeDown.bind(site.runtime)
    site.runtime.nodeDown = (other) => {
      this.down.push(`${node}>${other}`)
      nodeDown(other)
    }
    this.sites.set(node, site)
    return site
  }

  get names(): NodeId[] {
    return [...this.sites.keys()]
  }

  at(index: number): Site {
    return this.sites.get(nameOf(index)) as Site
  }

  /** How everybody but `node` sees it. */
  async opinions(node: NodeId): Promise<Set<string | undefined>> {
    const seen = new Set<string | undefined>()
    for (const site of this.sites.values()) if (site.node !== node) seen.add((await site.peers())[node])
    return seen
  }

  /** Virtual ms until all the others see it so; Infinity: not within `withinMs`. */
  async until(node: NodeId, state: string | undefined, withinMs: number): Promise<number> {
    const startMs = this.world.monotonicMs()
    while (this.world.monotonicMs() - startMs <= withinMs) {
      const seen = await this.opinions(node)
      if (seen.size === 1 && seen.has(state)) return this.world.monotonicMs() - startMs
      await this.world.run(50)
    }
    return Infinity
  }

  async expectWhole(): Promise<void> {
    for (const site of this.sites.values()) {
      const states = Object.values(await site.peers())
      expect(states.length, site.node).toBe(this.sites.size - 1)
      expect(new Set(states), site.node).toEqual(new Set(['healthy']))
    }
  }

  /** What a node would tell another about everybody. */
  async rowsAt(site: Site): Promise<readonly MemberRow[]> {
    const answer = site.ask('membership', { type: 'members.compare', fingerprint: '' })
    await this.world.run(2)
    return answer.value?.rows as readonly MemberRow[]
  }

  async claimAt(site: Site, node: NodeId): Promise<MemberRow | undefined> {
    return (await this.rowsAt(site)).find((row) => row.node === node)
  }
}

describe('in a full mesh of 8 nodes', () => {
  it('a node that falls silent is unreachable for everybody within five seconds, and healthy three seconds after', async () => {
    for (let seed = 1; seed <= 3; seed++) await expectSilenceIsSeen(await Cluster.of(small, seed))
  })

  it('control traffic stays small, and nobody is accused while all is calm', async () => {
    await expectCalm(await Cluster.of(small), 60, 10_000)
  })

  it('one node that cannot hear another accuses nobody as long as others reach it', async () => {
    const cluster = await Cluster.of(small)
    await expectNoAccusation(cluster, 30_000, async () => {
      expect(await cluster.opinions(nameOf(2))).toEqual(new Set(['healthy', 'unreachable']))
      const row = (await cluster.at(1).view()).get(nameOf(2))
      expect(row?.reason).toMatch(/others reach it, this node does not/)
    })
  })
})

describe(`in a cluster of ${large} nodes, which probe each other`, () => {
  // One cluster for all: its first seconds, in which everybody meets everybody, are most of the work.
  it('calm is cheap, one cut accuses nobody, and a silent node is seen within five seconds', async () => {
    const cluster = await Cluster.of(large)
    await expectCalm(cluster, 5, 50_000)
    await expectNoAccusation(cluster, 12_000)
    await expectSilenceIsSeen(cluster)
  }, 240_000)
})

/** The last node hears nobody and is not heard; then it is back. */
async function expectSilenceIsSeen(cluster: Cluster): Promise<void> {
  const silent = nameOf(cluster.sites.size - 1)
  const others = cluster.names.filter((node) => node !== silent)
  cluster.lan.silence([silent], others)
  const site = cluster.sites.get(silent) as Site
  cluster.sites.delete(silent)
  expect(await cluster.until(silent, 'unreachable', 8000)).toBeLessThanOrEqual(5000)
  cluster.sites.set(silent, site)
  cluster.lan.heal()
  expect(await cluster.until(silent, 'healthy', 10_000)).toBeLessThanOrEqual(3000)
}

async function expectCalm(cluster: Cluster, forS: number, maxBytesPerSecond: number): Promise<void> {
  const before = cluster.bytes
  await cluster.world.run(forS * 1000)
  expect((cluster.bytes - before) / cluster.sites.size / forS).toBeLessThan(maxBytesPerSecond)
  expect(cluster.down).toEqual([])
}

/** Two nodes do not hear each other: only they may believe less. `whileCut` looks closer. */
async function expectNoAccusation(cluster: Cluster, forMs: number, whileCut = async () => {}): Promise<void> {
  cluster.lan.silence([nameOf(1)], [nameOf(2)])
  await cluster.world.run(forMs)
  for (const site of cluster.sites.values()) {
    expect((await cluster.claimAt(site, nameOf(2)))?.status, site.node).toBe('alive')
  }
  await whileCut()
  cluster.lan.heal()
  expect(await cluster.until(nameOf(2), 'healthy', 10_000)).toBeLessThanOrEqual(3000)
}

describe('a partition into two halves', () => {
  it.each([1, 2, 3, 4, 5])('is healed within three seconds of its end (seed %i)', async (seed) => {
    const cluster = await Cluster.of(small, seed)
    const half = small / 2
    cluster.lan.silence(cluster.names.slice(0, half), cluster.names.slice(half))
    await cluster.world.run(20_000 + seed * 333)
    for (const node of cluster.names) expect(await cluster.opinions(node)).toEqual(new Set(['healthy', 'unreachable']))
    cluster.lan.heal()
    await cluster.world.run(3000)
    await cluster.expectWhole()
  })

  it('leaves nobody who was accused without a denial: all claims are of the living again', async () => {
    const cluster = await Cluster.of(small)
    cluster.lan.silence(cluster.names.slice(0, 4), cluster.names.slice(4))
    await cluster.world.run(20_000)
    cluster.lan.heal()
    await cluster.world.run(35_000)
    for (const site of cluster.sites.values()) {
      for (const row of await cluster.rowsAt(site)) expect(row.status, `${site.node}: ${row.node}`).toBe('alive')
    }
  })
})

describe('the departed', () => {
  it('are forgotten by everybody, and nobody who has not heard brings them back', async () => {
    const cluster = await Cluster.of(small)
    const [leaving, sleeping] = [nameOf(7), nameOf(6)]
    const awake = cluster.names.slice(0, 6)
    cluster.lan.silence([sleeping], cluster.names.slice(0, 6))
    cluster.lan.silence([sleeping], [leaving])
    await cluster.world.run(6000)
    void cluster.at(7).runtime.stop(`${leaving}/node`)
    cluster.sites.delete(leaving)
    await cluster.world.run(2000)
    cluster.lan.heal()
    await cluster.world.run(60_000)
    for (const node of [...awake, sleeping]) {
      expect((await (cluster.sites.get(node) as Site).peers())[leaving], node).toBeUndefined()
    }
    await cluster.expectWhole()
  })

  it('that come back are welcome, though their clock has jumped back meanwhile', async () => {
    const cluster = await Cluster.of(small)
    const { life } = cluster.at(7).runtime
    void cluster.at(7).runtime.stop(`${nameOf(7)}/node`)
    await cluster.world.run(3000)
    cluster.start(nameOf(7), [nameOf(0)], life + 1)
    await cluster.world.run(5000)
    await cluster.expectWhole()
    for (const site of cluster.sites.values()) {
      expect(await cluster.claimAt(site, nameOf(7))).toMatchObject({ status: 'alive' })
    }
  })
})

it('what is said of this node while it lives is denied to everybody, in a higher incarnation', async () => {
  const cluster = await Cluster.of(small)
  const accused = nameOf(3)
  const before = await cluster.claimAt(cluster.at(0), accused)
  const claims = [{ node: accused, incarnation: before?.incarnation, status: 'unreachable' }]
  cluster.at(0).tell('membership', { type: 'members.claims', claims })
  await cluster.world.run(1500)
  await cluster.expectWhole()
  expect(cluster.down).toEqual([])
  for (const site of cluster.sites.values()) {
    const after = await cluster.claimAt(site, accused)
    expect(after?.status, site.node).toBe('alive')
    expect(after?.incarnation, site.node).toBeGreaterThan(before?.incarnation ?? 0)
  }
})

it('a claim about an incarnation that is over changes nothing', async () => {
  const cluster = await Cluster.of(small)
  const accused = nameOf(3)
  const before = await cluster.claimAt(cluster.at(0), accused)
  const claims = [{ node: accused, incarnation: (before?.incarnation ?? 0) - 1, status: 'departed' }]
  cluster.at(0).tell('membership', { type: 'members.claims', claims })
  await cluster.world.run(1500)
  await cluster.expectWhole()
  expect(await cluster.claimAt(cluster.at(0), accused)).toEqual(before)
})

describe('the membership of a node that crashed', () => {
  it('speaks for a younger incarnation from its first word, whatever waited for it', async () => {
    const cluster = await Cluster.of(3)
    const site = cluster.at(0)
    const said: number[] = []
    site.runtime.facts.observe(['handled'], ({ ref, message }) => {
      if (ref.includes('/peers/') && message.type === 'peer.self')
        said.push((message.self as { incarnation: number }).incarnation)
    })
    const report = async () => (await site.view()).get(site.node)?.report
    const tellAll = async (version: number): Promise<void> => {
      site.tell('membership', { type: 'report.own', report: { ...(await report()), version } })
    }
    await tellAll(2 ** 51)
    await cluster.world.run(10)
    const before = Math.max(...said.splice(0))
    const known = await report()
    site.tell('membership', poison())
    site.tell('membership', { type: 'peer.found', node: 'stranger', addresses: [] })
    site.tell('membership', { type: 'report.own', report: { ...known, version: 2 ** 51 + 1 } })
    await cluster.world.run(2000)
    expect(said.length).toBeGreaterThan(0)
    expect(Math.min(...said)).toBeGreaterThan(before)
  })
})
