/** What the runtime is promised by a real link under faults: losses are reported, watches survive, queues are bounded. */
import { expect, it } from 'vitest'
import { type ActorFrame, decodeActorFrame } from '../../protocols/actor.ts'
import type { Message } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import { here } from '../../src/runtime/here.ts'
import { fromCallback } from '../../src/runtime/logic.ts'
import { eventually } from '../support/eventually.ts'
import { useFabric, wholeMesh } from './cluster.ts'
import type { FabricNode } from './node.ts'

const cluster = useFabric()

/** Two nodes, and every frame that the second receives. */
async function pair() {
  const received: ActorFrame[] = []
  const onFrame = (_: string, body: Uint8Array) => void received.push(decodeActorFrame(body))
  const nodes = await cluster.startMany(2, (index) => (index === 1 ? { onFrame } : {}))
  const [left, right] = nodes as [FabricNode, FabricNode]
  return { left, right, received }
}

/** An actor of `right` and one of `left` that watches it; what the watcher is told of its end. */
function watchAcross(left: FabricNode, right: FabricNode) {
  const victim = refOf(right.node, 'victim')
  const downs: Message[] = []
  const watcher = fromCallback<Message>(({ system, receive }) => {
    receive((message) => void downs.push(message))
    here(system).watch(victim)
  })
  right.runtime.spawn({ id: 'victim', logic: fromCallback(() => {}) })
  left.runtime.spawn({ id: 'watcher', logic: watcher })
  return { victim, downs, end: () => left.runtime.stop(refOf(left.node, 'watcher')) }
}

const watchesIn = (received: readonly ActorFrame[]): number => received.filter(({ kind }) => kind === 'watch').length

it('a watch is asked for again once for each new link, and yields one end however often the link was cut', async () => {
  const { left, right, received } = await pair()
  const { victim, downs, end } = watchAcross(left, right)
  await eventually('the watch has arrived', () => watchesIn(received) === 1)
  for (let cuts = 1; cuts <= 3; cuts++) {
    cluster.fabric.cut(left.node, right.node)
    await eventually('it is asked for again', () => watchesIn(received) === 1 + cuts)
    await wholeMesh([left, right])
  }
  await right.runtime.stop(victim)
  await eventually('the watcher hears', () => downs.length > 0)
  // Whatever else was under way has arrived when an ask to the same node is answered.
  await left.runtime.ask(right.ref('health'), { type: 'health.probe' }, 1000)
  expect(downs).toMatchObject([{ type: 'actor.down', ref: victim, exit: { kind: 'shutdown' } }])
  expect(watchesIn(received)).toBe(4)
  await end()
})

it('an end that came while nothing passed is heard once when the link was replaced', async () => {
  const { left, right, received } = await pair()
  const { victim, downs, end } = watchAcross(left, right)
  await eventually('the watch has arrived', () => watchesIn(received) === 1)
  cluster.fabric.hold(right.node, left.node)
  await right.runtime.stop(victim)
  cluster.fabric.cut(left.node, right.node)
  cluster.fabric.release(right.node, left.node)
  await wholeMesh([left, right])
  await eventually('the watcher hears', () => downs.length > 0)
  await left.runtime.ask(right.ref('health'), { type: 'health.probe' }, 1000)
  expect(downs).toMatchObject([{ type: 'actor.down', ref: victim }])
  await end()
})

it('an end that was lost with one of two connections is heard over the other', async () => {
  const { left, right, received } = await pair()
  cluster.fabric.partition([left.node], [right.node])
  cluster.fabric.cut(left.node, right.node)
  await eventually('both dial', async () => {
    const states = [await left.seesAs(right), await right.seesAs(left)]
    return states.every((state) => state === 'suspect')
  })
  cluster.fabric.heal()
  await wholeMesh([left, right])
  expect(cluster.fabric.connections).toBe(2)
  const { victim, downs, end } = watchAcross(left, right)
  await eventually('the watch has arrived', () => watchesIn(received) === 1)

  cluster.fabric.hold(right.node, left.node)
  right.runtime.tell(left.ref('health'), { type: 'health.probe', padding: 'x'.repeat(64 * 1024) })
  await right.runtime.stop(victim)
  await eventually('it is on its way', () => cluster.fabric.waitingBytes(right.node, left.node) > 64 * 1024)
  cluster.fabric.cutBusiest(right.node, left.node)
  cluster.fabric.release(right.node, left.node)
  expect(left.host.connected(right.node)).toBe(true)
  await eventually('the watcher hears', () => downs.length > 0)
  await left.runtime.ask(right.ref('health'), { type: 'health.probe' }, 1000)
  expect(downs).toMatchObject([{ type: 'actor.down', ref: victim }])
  expect(await left.seesAs(right)).toBe('healthy')
  await end()
})

it('messages that a held link does not take are refused when the outbox is full, and those lost with it are accounted for', async () => {
  const { left, right, received } = await pair()
  const letters: string[] = []
  left.runtime.facts.observe(['deadLetter'], ({ type, why }) => {
    if (type === 'health.probe') letters.push(why)
  })
  const message = { type: 'health.probe', padding: 'x'.repeat(64 * 1024) }
  const told = () => received.filter((frame) => frame.kind === 'tell' && frame.message.type === 'health.probe').length
  cluster.fabric.hold(left.node, right.node)
  let accepted = 0
  // Each turn writes what the stream takes; when the outbox refuses, everything below it is full.
  await eventually('the outbox is full', () => {
    while (left.runtime.tell(right.ref('health'), message)) accepted += 1
    return left.framesLost === 0 && cluster.fabric.waitingBytes(left.node, right.node) > 0
  })
  const refused = letters.length
  expect(refused).toBeGreaterThan(0)
  cluster.fabric.cut(left.node, right.node)
  await eventually('what the link left behind is a dead letter', () => letters.length > refused)
  cluster.fabric.release(left.node, right.node)
  expect(left.framesLost).toBeGreaterThan(0)
  expect(new Set(letters)).toEqual(new Set(['unreachable']))
  // Nothing was sent twice: what arrived and what is known to be lost is no more than what was taken.
  expect(told() + letters.length - refused).toBeLessThanOrEqual(accepted)
  const before = told()
  await eventually('a new link takes messages', () => left.runtime.tell(right.ref('health'), message))
  await eventually('it arrives', () => told() > before)
})
