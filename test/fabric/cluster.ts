/** Nodes on a fabric for the tests of this folder: started with what a test cares about, and nothing left after each. */
import { afterEach, beforeEach, expect } from 'vitest'
import type { ClusterNode } from '../../actors/view.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { held } from '../actors/support/reports.ts'
import { eventually } from '../support/eventually.ts'
import { Fabric } from './fabric.ts'
import { FabricNode, type FabricNodeInit } from './node.ts'

export const model = held('m:latest', 'a'.repeat(64))

export interface FabricCluster {
  /** A new network for each test. */
  readonly fabric: Fabric
  start(init?: FabricNodeInit): Promise<FabricNode>
  /** This many nodes, all of which join the first, all of them healthy for each other. */
  startMany(count: number, init?: (index: number) => FabricNodeInit): Promise<FabricNode[]>
}

/** To be called once at the top of a file. */
export function useFabric(): FabricCluster {
  let fabric = new Fabric()
  let nodes: FabricNode[] = []
  let timersBefore = 0

  beforeEach(() => {
    timersBefore = activeTimers()
  })

  const start = async (init?: FabricNodeInit): Promise<FabricNode> => {
    const node = await FabricNode.start(fabric, init)
    nodes.push(node)
    return node
  }

  afterEach(async () => {
    const [stopping, network] = [nodes, fabric]
    nodes = []
    fabric = new Fabric()
    network.heal()
    await Promise.all(stopping.map((node) => node.stop()))
    await eventually('no connection remains', () => network.connections === 0)
    for (const node of stopping) expect(node.runtime.census()).toEqual([])
    // One more than before: the pause between two looks.
    await eventually('no timer remains', () => activeTimers() <= timersBefore + 1)
  })

  return {
    get fabric() {
      return fabric
    },
    start,
    startMany: async (count, init = () => ({})) => {
      const first = await start(init(0))
      const rest = Array.from({ length: count - 1 }, (_, index) => start({ join: [first], ...init(index + 1) }))
      const all = [first, ...(await Promise.all(rest))]
      await wholeMesh(all)
      return all
    },
  }
}

/** Timers that would keep this process alive. */
const activeTimers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

export const idsOf = (nodes: readonly FabricNode[]): NodeId[] => nodes.map(({ node }) => node)

/** Every node calls every other healthy. */
export async function wholeMesh(nodes: readonly FabricNode[], withinMs?: number): Promise<void> {
  const isHealthy = ({ state }: ClusterNode): boolean => state === 'self' || state === 'healthy'
  await agreed('everybody is healthy', nodes, isHealthy, withinMs)
}

/** Every node holds the newest report of every other. */
export async function converged(nodes: readonly FabricNode[], withinMs?: number): Promise<void> {
  const isNewest = ({ report }: ClusterNode, own: ClusterNode): boolean =>
    report !== undefined && report.version === own.report?.version
  await agreed('every report is known', nodes, isNewest, withinMs)
}

type Row = (row: ClusterNode, own: ClusterNode) => boolean

/** Every node's row for every node is as it should be, given that node's row for itself. One look asks each node once. */
async function agreed(what: string, nodes: readonly FabricNode[], isRight: Row, withinMs?: number): Promise<void> {
  const probe = async (): Promise<boolean> => {
    const views = await Promise.all(nodes.map((node) => node.view()))
    return nodes.every(({ node }, index) => {
      const own = views[index]?.get(node)
      return views.every((view) => {
        const row = view.get(node)
        return row !== undefined && own !== undefined && isRight(row, own)
      })
    })
  }
  await eventually(what, probe, withinMs)
}
