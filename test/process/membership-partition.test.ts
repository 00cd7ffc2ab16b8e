/** Eight real nodes, each on a host of its own, that are parted and reunited; and one that is stopped where it stands. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { Namespaces, namespacesMissing } from './support/namespaces.ts'
import type { OmxNode } from './support/omx-node.ts'

const hosts = 8
const left = [1, 2, 3, 4]
const right = [5, 6, 7, 8]
const rounds = 3
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

  it('that are parted four from four are whole again within three seconds of the reunion', async () => {
    const [west, east] = [nodes.slice(0, 4), nodes.slice(4)]
    for (let round = 0; round < rounds; round++) {
      namespaces.part(left, right)
      const partedMs = await Promise.all([until(west, east, 'unreachable'), until(east, west, 'unreachable')])
      namespaces.heal(left, right)
      const healedMs = await until(nodes, nodes, 'healthy')
      console.log(`parted: seen after ${Math.round(Math.max(...partedMs))} ms; healed after ${Math.round(healedMs)} ms`)
      expect(healedMs).toBeLessThan(3000)
    }
  }, 120_000)

  it('see one that is stopped unreachable within five seconds, and healthy again when it goes on', async () => {
    const [stopped, ...others] = nodes.toReversed() as [OmxNode, ...OmxNode[]]
    for (let round = 0; round < rounds; round++) {
      stopped.process.kill('SIGSTOP')
      const seenMs = await until(others, [stopped], 'unreachable')
      stopped.process.kill('SIGCONT')
      const backMs = await until(nodes, nodes, 'healthy')
      console.log(`stopped: seen after ${Math.round(seenMs)} ms; back after ${Math.round(backMs)} ms`)
      expect(seenMs).toBeLessThan(5000)
    }
  }, 120_000)
})
