import { expect, it } from 'vitest'
import { type NetworkEvent, networkMachine } from '../../actors/network.ts'
import { fromCallback } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { puppet, steady, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

/** A network actor whose host the test plays, under a membership that listens. */
function network() {
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const membership = puppet('membership')
  const hosts: Array<{ send(event: NetworkEvent): void; closed: boolean }> = []
  const host = fromCallback<NetworkEvent>(({ sendBack }) => {
    const opened = { send: (event: NetworkEvent) => sendBack(event as never), closed: false }
    hosts.push(opened)
    return () => {
      opened.closed = true
    }
  })
  const logic = networkMachine.provide({ actors: { host } })
  runtime.spawn(
    supervisor('node', { policy: steady, children: [{ id: 'network', logic, restart: 'permanent' }, membership.spec] }),
  )
  const state = () => runtime.census().find(({ path }) => path === 'node/network')?.state
  return { world, runtime, membership, hosts, state }
}

it('tells membership where the node listens, who connects, who is lost and who was found', async () => {
  const { world, membership, hosts, state } = network()
  await world.run(1)
  expect(state()).toBe('opening')
  hosts[0]?.send({ type: 'host.open', addresses: ['/at/n'] })
  hosts[0]?.send({ type: 'link.up', node: 'p' })
  hosts[0]?.send({ type: 'peer.found', node: 'q', addresses: ['/at/q'] })
  hosts[0]?.send({ type: 'link.down', node: 'p' })
  await world.run(5)
  expect(state()).toBe('open')
  expect(membership.heard).toEqual([
    { type: 'host.open', addresses: ['/at/n'] },
    { type: 'link.up', node: 'p' },
    { type: 'peer.found', node: 'q', addresses: ['/at/q'] },
    { type: 'link.down', node: 'p' },
  ])
})

it('tells a membership that has just started what it knows already', async () => {
  const { world, runtime, membership, hosts } = network()
  await world.run(1)
  hosts[0]?.send({ type: 'host.open', addresses: ['/at/n'] })
  for (const node of ['p', 'q']) hosts[0]?.send({ type: 'link.up', node })
  hosts[0]?.send({ type: 'link.down', node: 'p' })
  await world.run(5)
  membership.heard.length = 0
  runtime.tell('n/node/network', { type: 'network.describe' })
  await world.run(5)
  expect(membership.heard).toEqual([
    { type: 'host.open', addresses: ['/at/n'] },
    { type: 'link.up', node: 'q' },
  ])
})

it('forgets no peer that connects before the host has said that it is open', async () => {
  const { world, membership, hosts } = network()
  await world.run(1)
  for (const node of ['p', 'q']) hosts[0]?.send({ type: 'link.up', node })
  hosts[0]?.send({ type: 'link.down', node: 'q' })
  hosts[0]?.send({ type: 'host.open', addresses: ['/at/n'] })
  await world.run(5)
  expect(membership.heard).toEqual([
    { type: 'host.open', addresses: ['/at/n'] },
    { type: 'link.up', node: 'p' },
  ])
})

it('a host that fails is a crash, and another one is opened', async () => {
  const { world, runtime, hosts } = network()
  await world.run(1)
  hosts[0]?.send({ type: 'host.failed', error: new Error('the port is taken') })
  await world.run(100)
  expect(hosts).toHaveLength(2)
  expect(hosts[0]?.closed).toBe(true)
  expect(runtime.census().find(({ path }) => path === 'node/network')).toMatchObject({
    restarts: 1,
    lastExit: 'crash: the port is taken',
  })
})

it('a network that is stopped closes its host', async () => {
  const { world, runtime, hosts } = network()
  await world.run(1)
  void runtime.stop('n/node')
  await world.run(10)
  expect(hosts[0]?.closed).toBe(true)
})
