/**
 * Eight real nodes, each on a host of its own, that are parted and reunited; and one that is stopped where it stands.
 * `OMX_PARTITION_ROUNDS=100 npx vitest run test/process/membership-partition.test.ts` measures percentiles.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { Namespaces, namespacesMissing } from './support/namespaces.ts'
import type { OmxNode } from './support/omx-node.ts'

const hosts = 8
const left = [1, 2, 3, 4]
const right = [5, 6, 7, 8]
const rounds = Number(process.env.OMX_PARTITION_ROUNDS ?? 3)
/** Longer than any accusation takes. */
const silenceWatchedMs = 8000
const withinMs = 60_000 + rounds * 20_000
/** Faults begin at all moments of a heartbeat, not always where the last round has ended. */
const phaseOf = (round: number): number => (round * 137) % 500
const missing = namespacesMissing()
if (missing !== undefined) console.log(`partitions of real nodes are not tried: ${missing}`)

const cluster = useCluster()

/** Resolves with the ms until each of `nodes` sees each of `others` so. */
async function until(nodes: readonly OmxNode[], others: readonly OmxNode[], state: string): Promise<number> {
  const startMs = performance.now()
  await Promise.all(
    nodes.map((node) =>
      eventually(`${node.name} sees the others ${state}`, async () => {
        const peers = await node.peers()
        return others.every((other) => other === node || peers.find(({ node: id }) => id === other.id)?.state === state)
      }),
    ),
  )
  return performance.now() - startMs
}

function summary(what: string, samples: readonly number[]): string {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return `${what}, ${sorted.length} rounds: median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}

describe.skipIf(missing !== undefined)('eight nodes on eight hosts', () => {
  let namespaces: Namespaces
  const nodes: OmxNode[] = []

  beforeAll(async () => {
    namespaces = new Namespaces(hosts)
    for (let host = 1; host <= hosts; host++) {
      const at = { namespace: namespaces.nameOf(host), address: namespaces.addressOf(host) }
      const first = nodes[0]
      nodes.push(
        await cluster.start(`h${host}`, { engine: 'sim', at, ...(first === undefined ? {} : { join: first }) }),
      )
    }
    await until(nodes, nodes, 'healthy')
  }, 120_000)

  afterAll(() => namespaces?.dispose())

  it(
    'that are parted four from four are whole again within three seconds of the reunion',
    async () => {
      const [west, east] = [nodes.slice(0, 4), nodes.slice(4)]
      const healed: number[] = []
      for (let round = 0; round < rounds; round++) {
        await pause(phaseOf(round))
        namespaces.part(left, right)
        await Promise.all([until(west, east, 'unreachable'), until(east, west, 'unreachable')])
        namespaces.heal(left, right)
        const healedMs = await until(nodes, nodes, 'healthy')
        healed.push(healedMs)
      }
      console.log(summary('whole again after a partition', healed))
      expect(Math.max(...healed)).toBeLessThan(3000)
    },
    withinMs,
  )

  it('accuse neither of two of which one does not hear the other, and those two are whole again when it does', async () => {
    const [deafened, mute] = [nodes[0], nodes[1]] as [OmxNode, OmxNode]
    namespaces.silence([2], [1])
    await eventually('it is noticed', async () => {
      const peers = await deafened.peers()
      return peers.find(({ node }) => node === mute.id)?.state !== 'healthy'
    })
    const untilMs = performance.now() + silenceWatchedMs
    while (performance.now() < untilMs) {
      const views = await Promise.all(nodes.slice(2).map((node) => node.peers()))
      expect(views.flat().filter(({ state }) => state !== 'healthy')).toEqual([])
      await pause(100)
    }
    expect((await deafened.peers()).find(({ node }) => node === mute.id)?.reason).toContain('others reach it')
    namespaces.unsilence([2], [1])
    expect(await until(nodes, nodes, 'healthy')).toBeLessThan(3000)
  }, 60_000)

  it(
    'see one that is stopped unreachable within five seconds, and healthy again when it goes on',
    async () => {
      const [seen, back]: [number[], number[]] = [[], []]
      for (let round = 0; round < rounds; round++) {
        const stopped = nodes[round % nodes.length] as OmxNode
        const others = nodes.filter((node) => node !== stopped)
        await pause(phaseOf(round))
        stopped.process.kill('SIGSTOP')
        seen.push(await until(others, [stopped], 'unreachable'))
        stopped.process.kill('SIGCONT')
        back.push(await until(nodes, nodes, 'healthy'))
      }
      console.log(`${summary('a stopped node seen by all', seen)}; ${summary('back', back)}`)
      expect(Math.max(...seen)).toBeLessThan(5000)
    },
    withinMs,
  )
})
