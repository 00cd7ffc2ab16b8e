/** Six nodes in two halves that do not hear each other: what gossip loses, and what brings it back. */
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { converged, idsOf, useFabric, wholeMesh } from './cluster.ts'
import type { FabricNode } from './node.ts'

const cluster = useFabric()

it('a report gossiped during a long partition never crosses by gossip, and reaches everybody all the same', async () => {
  const nodes = await cluster.startMany(6)
  await converged(nodes)
  const [left, right] = [nodes.slice(0, 3), nodes.slice(3)]
  const author = left[0] as FabricNode
  await gossipWorks(author, nodes)

  cluster.fabric.partition(idsOf(left), idsOf(right))
  const lost = await author.changeReport()
  await eventually('its own half hears it', () => left.slice(1).every((node) => hasHeard(node, author, lost)))
  // Longer than gossip offers a message again: that is three of its heartbeats, one second each.
  await eventually('each half has given up the other', async () => {
    const states = await Promise.all(left.flatMap((a) => right.flatMap((b) => [a.seesAs(b), b.seesAs(a)])))
    return states.every((state) => state === 'unreachable')
  })
  expect(await right[0]?.seesAs(right[1] as FabricNode)).toBe('healthy')

  cluster.fabric.heal()
  const healedMs = performance.now()
  await wholeMesh(nodes)
  await converged(nodes)
  // The longest pause before a redial after some seconds of failures, and a heartbeat or two.
  expect(performance.now() - healedMs).toBeLessThan(12_000)

  await gossipWorks(author, nodes)
  for (const node of right) expect(hasHeard(node, author, lost)).toBe(false)
})

const hasHeard = (node: FabricNode, author: FabricNode, version: number): boolean =>
  node.gossiped.get(author.node)?.includes(version) === true

/** A new report comes to everybody by gossip itself. The mesh of a topic forms by heartbeats, so it is tried again. */
async function gossipWorks(author: FabricNode, nodes: readonly FabricNode[]): Promise<void> {
  await eventually('gossip reaches everybody', async () => {
    const version = await author.changeReport()
    const others = nodes.filter((node) => node !== author)
    return await eventually('this report', () => others.every((node) => hasHeard(node, author, version)), 4000)
  })
}

it('three nodes of which one hears nothing agree again when it does', async () => {
  const nodes = await cluster.startMany(3)
  await converged(nodes)
  const [deaf, ...others] = nodes as [FabricNode, ...FabricNode[]]
  for (const other of others) cluster.fabric.hold(other.node, deaf.node)
  await eventually('the deaf one has given up the others', async () => {
    const states = await Promise.all(others.map((other) => deaf.seesAs(other)))
    return states.every((state) => state === 'unreachable')
  })
  for (const node of others)
    expect(await node.seesAs(others.find((other) => other !== node) as FabricNode)).toBe('healthy')
  await deaf.changeReport()
  cluster.fabric.heal()
  await wholeMesh(nodes)
  await converged(nodes)
})

it('a node that lets nobody in any more keeps whom it has, and is found again by those that it dials', async () => {
  const nodes = await cluster.startMany(3)
  const [closed, other] = nodes as [FabricNode, FabricNode, FabricNode]
  cluster.fabric.refuseDials(closed.node)
  expect(await other.seesAs(closed)).toBe('healthy')
  cluster.fabric.cut(closed.node, other.node)
  await wholeMesh(nodes)
})
