/**
 * Many nodes in one process, each connected to each: how they find each other, part and come together, and what that
 * costs. `OMX_FABRIC_NODES=100 npx vitest run test/fabric/mesh.test.ts` tries more than every push does.
 */
import { expect, it } from 'vitest'
import { converged, idsOf, useFabric, wholeMesh } from './cluster.ts'
import type { FabricNode } from './node.ts'

const count = Number(process.env.OMX_FABRIC_NODES ?? 12)
/** Joining is quadratic: handshakes and hellos for each pair. Measured: half of this, for 12 as for 50. */
const joinWithinCoreSeconds = 2 + 0.04 * count ** 2
/** Other work has the same cores. */
const joinWithinMs = 2 * 1000 * joinWithinCoreSeconds + 20_000
/** Unreachable peers are redialled after at most ten seconds. */
const healWithinMs = 20_000 + joinWithinMs

const cluster = useFabric()

it(
  `${count} nodes join by one address, know every report, and do so again after a partition into halves`,
  async () => {
    const measured: Record<string, string> = {}
    const startedMs = performance.now()
    const rssBytes = process.memoryUsage().rss
    const cpu = process.cpuUsage()
    const first = await cluster.start()
    const rest = Array.from({ length: count - 1 }, () => cluster.start({ join: [first] }))
    const nodes = [first, ...(await Promise.all(rest))]
    measured['started, per node'] = `${((performance.now() - startedMs) / count).toFixed(1)} ms`
    await wholeMesh(nodes, joinWithinMs)
    measured['everybody is healthy for everybody after'] = seconds(startedMs)
    const coreSeconds = process.cpuUsage(cpu).user / 1e6
    measured['of a core until then'] = `${coreSeconds.toFixed(1)} s`
    expect(coreSeconds).toBeLessThan(joinWithinCoreSeconds)
    await converged(nodes, joinWithinMs)
    measured['every report is known after'] = seconds(startedMs)
    measured['memory, per node'] = `${((process.memoryUsage().rss - rssBytes) / count / 1024 / 1024).toFixed(1)} MB`
    measured['control traffic, per node'] = await controlTraffic(nodes)

    const [left, right] = [nodes.slice(0, count / 2), nodes.slice(count / 2)]
    cluster.fabric.partition(idsOf(left), idsOf(right))
    await expect
      .poll(() => pairsApart(left, right), { timeout: 20_000, interval: 250 })
      .toBe(2 * left.length * right.length)
    await left[0]?.changeReport()
    const healedMs = performance.now()
    cluster.fabric.heal()
    await wholeMesh(nodes, healWithinMs)
    await converged(nodes, healWithinMs)
    measured['whole again after a partition'] = seconds(healedMs)
    console.log(`${count} nodes on the fabric`, measured)
  },
  2 * joinWithinMs + 2 * healWithinMs,
)

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

/** How many nodes of either side call how many of the other unreachable, added up. */
async function pairsApart(left: readonly FabricNode[], right: readonly FabricNode[]): Promise<number> {
  const counts = await Promise.all(
    [...left.map((node) => [node, right] as const), ...right.map((node) => [node, left] as const)].map(
      async ([node, others]) => {
        const view = await node.view()
        return others.filter((other) => view.get(other.node)?.state === 'unreachable').length
      },
    ),
  )
  return counts.reduce((sum, part) => sum + part, 0)
}

/** While nothing happens: heartbeats, gossip's own and health checks, over four rounds of the slowest of the usual ones. */
async function controlTraffic(nodes: readonly FabricNode[]): Promise<string> {
  const bytes = () => nodes.reduce((sum, { node }) => sum + cluster.fabric.sentBytes(node), 0)
  const [before, startedMs] = [bytes(), performance.now()]
  await expect.poll(() => performance.now() - startedMs, { timeout: 10_000, interval: 100 }).toBeGreaterThan(4000)
  const perSecond = (bytes() - before) / ((performance.now() - startedMs) / 1000) / nodes.length
  return `${(perSecond / 1024).toFixed(1)} KiB/s`
}
