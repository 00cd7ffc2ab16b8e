import { expect, it } from 'vitest'
import { joinerMachine } from '../../actors/joiner.ts'
import { fromPromise } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { puppet, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

/** A joiner whose address nobody answers until the test says so. */
function joiner(answers?: string) {
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const membership = puppet('membership')
  const dialledMs: number[] = []
  const warned: number[] = []
  const net = { answers }
  const logic = joinerMachine.provide({
    actors: {
      dialAddress: fromPromise(async () => {
        dialledMs.push(world.monotonicMs())
        if (net.answers === undefined) throw new Error('refused')
        return net.answers
      }),
    },
    actions: { warn: (_, { failures }) => void warned.push(failures) },
  })
  const spec = { id: '0', logic, input: { address: '/at/first' } }
  runtime.spawn(supervisor('node', { children: [membership.spec, supervisor('joiners', { children: [spec] })] }))
  const forget = (node: string) => runtime.tell('n/node/joiners/0', { type: 'peer.forgotten', node })
  return { world, membership, dialledMs, warned, net, forget }
}

it('an address that answers is told to membership with the node that answered, and left alone', async () => {
  const { world, membership, dialledMs } = joiner('p')
  await world.run(60_000)
  expect(membership.heard).toEqual([{ type: 'peer.found', node: 'p', addresses: ['/at/first'] }])
  expect(dialledMs).toHaveLength(1)
})

it('an address that does not answer is dialled again after pauses that grow to ten seconds', async () => {
  const { world, dialledMs, warned } = joiner()
  await world.run(120_000)
  const pauses = dialledMs.slice(1).map((atMs, index) => atMs - (dialledMs[index] ?? 0))
  expect(pauses[0]).toBeLessThan(1000)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(12_001)
  expect(Math.min(...pauses.slice(-3))).toBeGreaterThanOrEqual(7999)
  expect(warned).toEqual(dialledMs.map((_, index) => index + 1))
})

it('the node behind it is dialled again when it is forgotten, and soon, however long it took the first time', async () => {
  const { world, membership, dialledMs, net, forget } = joiner()
  await world.run(60_000)
  net.answers = 'p'
  await world.run(15_000)
  const before = dialledMs.length
  forget('other')
  await world.run(5000)
  expect(dialledMs).toHaveLength(before)
  forget('p')
  await world.run(400)
  expect(dialledMs).toHaveLength(before + 1)
  expect(membership.heard).toHaveLength(2)
})
