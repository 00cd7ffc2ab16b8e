import { expect, it } from 'vitest'
import type { End } from './connection.ts'
import { type Listening, SimulatedNetwork } from './network.ts'
import { NodeWorld } from './node-world.ts'
import { SimulatedWorld } from './world.ts'

it('rests when both processes of a connection have died while something was under way between them', async () => {
  const world = new SimulatedWorld(1)
  const network = new SimulatedNetwork(world)
  const ends: End[] = []
  const host = (node: string): Listening => {
    const ignore = (): void => {}
    const init = { node, world: new NodeWorld(world, node), onStream: ignore, onClosed: ignore, onGossip: ignore }
    return { init, onAccepted: (end) => void ends.push(end) }
  }
  const [a, b] = [host('a'), host('b')]
  for (const listening of [a, b]) network.listen(listening)
  void network.dial(a, 'b')
  await world.run(100)
  expect(ends.length).toBe(2)
  for (const end of ends) end.gossip(end.node, 1, new Uint8Array(1))
  network.crash('a', false)
  network.crash('b', false)
  await world.run(1000)
  const before = world.steps
  await world.run(10_000)
  expect(world.steps).toBe(before)
})
