import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../protocols/ref.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { healthRef, heartbeat, member, peerRef, probe } from './cluster.ts'
import { type Faults, SimulatedNetwork } from './drill-network.ts'
import { factsOf, outcome } from './kit.ts'

/** Two members on one network, the link up. */
async function joined(faults: Partial<Faults> = {}, seed = 1) {
  const world = new SimulatedWorld(seed)
  const network = new SimulatedNetwork(world, faults)
  const a = member('a', world, ['b'])
  const b = member('b', world, ['a'])
  network.join(a.runtime)
  network.join(b.runtime)
  await world.run(100)
  const heard = () => b.heardFrom('a').map((message) => message.sequence)
  const talk = (count: number): boolean[] =>
    Array.from({ length: count }, (_, n) => a.runtime.tell(peerRef('b', 'a'), heartbeat(n)))
  return { world, network, a, b, heard, talk }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** Nodes that a runtime was told to be down. */
function givenUp(runtime: Runtime): NodeId[] {
  const nodes: NodeId[] = []
  const nodeDown = runtime.nodeDown.bind(runtime)
  runtime.nodeDown = (node) => {
    nodes.push(node)
    nodeDown(node)
  }
  return nodes
}

describe('the simulated network', () => {
  it('delivers late and in order', async () => {
    const { world, heard, talk } = await joined({ minDelayMs: 5, maxDelayMs: 50 })
    talk(50)
    await world.run(4)
    expect(heard()).toEqual([])
    await world.run(100)
    expect(heard()).toEqual(upTo(50))
  })

  it('loses, repeats and reorders frames when told to', async () => {
    const { world, network, heard, talk } = await joined({ loss: 0.2, duplication: 0.2, reordering: 0.2 })
    talk(200)
    await world.run(100)
    const sequences = heard()
    expect(new Set(sequences).size).toBeLessThan(200)
    expect(new Set(sequences).size).toBeLessThan(sequences.length)
    expect(sequences).not.toEqual([...sequences].sort((x, y) => Number(x) - Number(y)))
    const { taken, duplicated, vanished, delivered } = network.tally
    expect(delivered).toBe(taken + duplicated - vanished)
  })

  it('lets an ask whose frame vanished run into its timeout', async () => {
    const { world, a } = await joined({ loss: 1 })
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 500))
    await world.run(600)
    expect(answer.reason).toBe('timeout')
  })

  it('holds frames through a short partition and keeps their order', async () => {
    const { world, network, a, heard, talk } = await joined()
    const down = givenUp(a.runtime)
    network.partition(['a'], ['b'])
    talk(20)
    await world.run(200)
    expect(heard()).toEqual([])
    network.heal()
    await world.run(100)
    expect(heard()).toEqual(upTo(20))
    expect(down).toEqual([])
  })

  it('breaks the link in a long partition, gives the node up on both sides, and dials again once healed', async () => {
    const { world, network, a, b, heard, talk } = await joined()
    const down = [givenUp(a.runtime), givenUp(b.runtime)]
    network.partition(['a'], ['b'])
    await world.run(2000)
    expect(network.isUp('a', 'b')).toBe(false)
    expect(down).toEqual([['b'], ['a']])
    expect(talk(1)).toEqual([false])
    network.heal()
    await world.run(100)
    expect(talk(1)).toEqual([true])
    await world.run(100)
    expect(heard()).toEqual([0])
  })

  it('returns the younger frames of a broken link to their sender, loses the older ones, and redials', async () => {
    const { world, network, a, heard, talk } = await joined({ minDelayMs: 20, maxDelayMs: 40 })
    const dead = factsOf(a.runtime, 'deadLetter')
    const down = givenUp(a.runtime)
    talk(50)
    await world.run(5)
    network.break('a', 'b')
    await world.run(1000)
    expect(heard()).toEqual([])
    expect(dead.length).toBe(network.tally.reported)
    expect(network.tally.reported + network.tally.vanished).toBe(50)
    expect(network.isUp('a', 'b')).toBe(true)
    expect(down).toEqual([])
  })

  it('takes nothing from or for a node that crashed', async () => {
    const { world, network, a, b, talk } = await joined()
    const down = givenUp(a.runtime)
    network.crash('b')
    expect(talk(1)).toEqual([false])
    expect(b.runtime.tell(peerRef('a', 'b'), heartbeat())).toBe(false)
    await world.run(2000)
    expect(down).toEqual(['b'])
  })
})
