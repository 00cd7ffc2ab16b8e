import { describe, expect, it } from 'vitest'
import { type ActorFrame, decodeActorFrame, encodeActorFrame } from '../../protocols/actor.ts'
import type { Message } from '../../protocols/ref.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { healthRef, member, pair, peerRef } from './cluster.ts'
import { SimulatedNetwork } from './drill-network.ts'
import { factsOf, order, restartMs } from './kit.ts'

const target = healthRef('b')
const downs = (heard: readonly Message[]): Message[] => heard.filter((message) => message.type === 'actor.down')

/** a's actor for b watches b's health; the watch is in place. */
async function watched(seed = 1) {
  const { world, a, b, gate } = pair(seed)
  const watcher = peerRef('a', 'b')
  order(a.runtime, watcher, (door) => door.watch(target))
  await world.run(1)
  const epochOf = () => b.runtime.census().find((actor) => actor.path === 'node/health')?.epoch
  return { world, a, b, gate, watcher, heard: a.heardFrom('b'), epoch: epochOf() }
}

describe('a watch on another node', () => {
  it('yields one actor.down with the reason and the incarnation, a restart included', async () => {
    const { world, b, heard, epoch } = await watched()
    for (let crashes = 0; crashes < 3; crashes++) {
      b.runtime.tell(target, { type: 'die' })
      await world.run(restartMs)
    }
    expect(downs(heard)).toMatchObject([
      { ref: target, epoch, exit: { kind: 'crash', failure: { message: 'died as told' } } },
    ])
  })

  it('sends no stack to the watcher', async () => {
    const { world, b, heard } = await watched()
    b.runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)[0]).not.toHaveProperty('exit.failure.stack')
  })

  it('yields one actor.down when there is no such actor', async () => {
    const { world, a, heard, watcher } = await watched()
    order(a.runtime, watcher, (door) => door.watch('b/node/nobody'))
    await world.run(restartMs)
    expect(downs(heard)).toMatchObject([{ ref: 'b/node/nobody', exit: { kind: 'absent' } }])
  })

  it('yields one actor.down at once without a way there', async () => {
    const { world, a, heard, watcher } = await watched()
    order(a.runtime, watcher, (door) => door.watch(healthRef('c')))
    await world.run(restartMs)
    expect(downs(heard)).toMatchObject([{ ref: healthRef('c'), exit: { kind: 'unreachable' } }])
  })

  it('yields one actor.down when the node is given up, and none when the node turns out to be alive', async () => {
    const { world, a, b, heard, epoch } = await watched()
    a.runtime.nodeDown('b')
    await world.run(1)
    expect(downs(heard)).toMatchObject([{ ref: target, epoch, exit: { kind: 'unreachable' } }])
    a.runtime.linkUp('b')
    b.runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toHaveLength(1)
  })

  it('yields nothing after unwatch', async () => {
    const { world, a, b, heard, watcher } = await watched()
    order(a.runtime, watcher, (door) => door.unwatch(target))
    await world.run(1)
    b.runtime.tell(target, { type: 'die' })
    a.runtime.nodeDown('b')
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
  })

  it('of a watcher that restarted is gone', async () => {
    const { world, a, b, heard, watcher } = await watched()
    a.runtime.tell(watcher, { type: 'die' })
    await world.run(restartMs)
    b.runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    a.runtime.nodeDown('b')
    await world.run(1)
    expect(downs(heard)).toEqual([])
  })

  it('yields one actor.down when the notice was lost with the link, once the link is back', async () => {
    const { world, a, b, gate, heard, epoch } = await watched()
    gate.pass = () => 'lose'
    b.runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
    gate.pass = () => true
    a.runtime.linkUp('b')
    b.runtime.linkUp('a')
    await world.run(10)
    expect(downs(heard)).toMatchObject([{ ref: target, epoch, exit: { kind: 'crash' } }])
    a.runtime.nodeDown('b')
    await world.run(1)
    expect(downs(heard)).toHaveLength(1)
  })

  it('yields nothing when the link was lost and is back while the watched incarnation lives', async () => {
    const { world, a, b, heard } = await watched()
    for (let i = 0; i < 3; i++) {
      a.runtime.linkUp('b')
      b.runtime.linkUp('a')
      await world.run(10)
    }
    expect(downs(heard)).toEqual([])
    b.runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toHaveLength(1)
  })

  it('yields one actor.down when the carrier refused the notice at first', async () => {
    const { world, b, gate, heard, epoch } = await watched()
    gate.pass = () => false
    b.runtime.tell(target, { type: 'die' })
    await world.run(2500)
    expect(downs(heard)).toEqual([])
    gate.pass = () => true
    await world.run(1000)
    expect(downs(heard)).toMatchObject([{ ref: target, epoch, exit: { kind: 'crash' } }])
  })

  it('stops sending a refused notice again when the watching node is given up', async () => {
    const { world, b, gate } = await watched()
    let sent = 0
    gate.pass = () => {
      sent++
      return false
    }
    b.runtime.tell(target, { type: 'die' })
    await world.run(2500)
    expect(sent).toBe(3)
    b.runtime.nodeDown('a')
    await world.run(10_000)
    expect(sent).toBe(3)
  })

  it('yields one actor.down when the node restarted as the same peer', async () => {
    const world = new SimulatedWorld(1)
    const network = new SimulatedNetwork(world)
    const a = member('a', world, ['b'])
    const first = member('b', world, ['a'])
    network.join(a.runtime)
    network.join(first.runtime)
    await world.run(100)
    order(a.runtime, peerRef('a', 'b'), (door) => door.watch(target))
    await world.run(100)
    network.crash('b')
    network.join(member('b', world, ['a']).runtime)
    await world.run(200)
    expect(network.isUp('a', 'b')).toBe(true)
    expect(downs(a.heardFrom('b'))).toMatchObject([{ ref: target, exit: { kind: 'absent' } }])
    await world.run(5000)
    expect(downs(a.heardFrom('b'))).toHaveLength(1)
  })

  it('takes no notice from a node that is not the watched one, and names it', async () => {
    const { world, a, b, gate, watcher, heard } = await watched()
    const rejected = factsOf(a.runtime, 'rejected')
    const frames: ActorFrame[] = []
    gate.pass = (_, frame) => frames.push(decodeActorFrame(frame)) > 0
    order(a.runtime, watcher, (door) => door.watch('b/node'))
    await world.run(1)
    const watch = frames[0]?.kind === 'watch' ? frames[0].watch : 0
    a.runtime.receive('c', encodeActorFrame({ kind: 'down', watch, epoch: 1, exit: { kind: 'normal' } }))
    a.runtime.receive('c', encodeActorFrame({ kind: 'watched', watch, epoch: 1 }))
    await world.run(1)
    expect(downs(heard)).toEqual([])
    expect(rejected.map(({ from }) => from)).toEqual(['c', 'c'])
    await b.runtime.stop('b/node')
    await world.run(1)
    expect(downs(heard).map((down) => down.ref)).toContain('b/node')
  })

  it('of a node that was given up costs the watched actor nothing any more', async () => {
    const { world, b, gate } = await watched()
    b.runtime.nodeDown('a')
    let sent = 0
    gate.pass = () => ++sent > 0
    b.runtime.tell(target, { type: 'die' })
    await world.run(5000)
    expect(sent).toBe(0)
  })
})
