/**
 * What it costs to reach an actor of another node over TCP, TLS and yamux: once with both nodes in this process, once
 * with the other in a process of its own. Argument: rounds. Prints the timings as JSON.
 */
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import type { Host } from '../../src/net/host.ts'
import { fromTransition } from '../../src/runtime/logic.ts'
import { askAlone, type places } from '../sections/remote.ts'
import { echoed } from '../support/echo.ts'
import {
  heartbeat,
  type LinkedNode,
  openBareHost,
  openLinkedNode,
  peerRef,
  spawnCountingPeer,
} from '../support/linked-node.ts'
import { type Row, timings } from '../support/rows.ts'
import { Worker } from '../support/worker.ts'
import type { RemotePeer } from './remote-peer.ts'

const alone = 1000
const asks = 5000
const asksInFlight = 500
const batch = 10_000
const askTimeoutMs = 10_000
/** What an ask comes to on the wire. */
const askBytes = 64

/** Who waits for a peer's answer: how many messages it has handled. */
let heard: (count: number) => void = () => {}

const listening = fromTransition((state: null, event: Message) => {
  if (event.type === 'peer.heartbeat') heard(event.incarnation as number)
  return state
}, null)

async function askAll({ runtime }: LinkedNode, to: Ref, count: number, inFlight: number): Promise<void> {
  for (let asked = 0; asked < count; asked += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => runtime.ask(to, { type: 'health.probe' }, askTimeoutMs)))
  }
}

/** Tells `count` heartbeats, the last of which is answered, and checks that each was handled. */
async function tellAll({ runtime }: LinkedNode, to: Ref, count: number): Promise<void> {
  const counted = new Promise<number>((resolve) => {
    heard = resolve
  })
  for (let told = 1; told <= count; told++) {
    const message = heartbeat(told === count ? 'probe' : 'beat')
    if (!runtime.tell(to, message)) throw new Error(`${to} refused a message`)
  }
  const handled = await counted
  if (handled !== count) throw new Error(`${count - handled} of ${count} messages were lost`)
}

function rowsTo(self: LinkedNode, node: NodeId, where: (typeof places)[number]): Row[] {
  const health = refOf(node, 'node/health')
  const peer = peerRef(node, self.host.peerId)
  self.runtime.spawn({ id: node, logic: listening }, refOf(self.host.peerId, 'node/peers'))
  return [
    { name: askAlone(where), count: alone, run: () => askAll(self, health, alone, 1) },
    {
      name: `ask, ${asksInFlight} in flight, ${where}`,
      count: asks,
      run: () => askAll(self, health, asks, asksInFlight),
    },
    {
      name: `tell there and back, one at a time, ${where}`,
      count: alone,
      run: async () => {
        for (let told = 0; told < alone; told++) await tellAll(self, peer, 1)
      },
    },
    { name: `tell, ${batch} at once, ${where}`, count: batch, run: () => tellAll(self, peer, batch) },
  ]
}

async function sameProcess(self: LinkedNode): Promise<Row[]> {
  const other = await openLinkedNode()
  await self.host.dial(other.host.addresses())
  spawnCountingPeer(other, self.host.peerId)
  return rowsTo(self, other.host.peerId, 'same process')
}

async function otherProcess(self: LinkedNode): Promise<Row[]> {
  const worker = new Worker(new URL('remote-peer.ts', import.meta.url))
  process.once('exit', () => worker.kill())
  const { addresses, floors } = await worker.answer<RemotePeer>()
  const node = await self.host.dial(addresses)
  await worker.ask({ peer: self.host.peerId })
  return [...(await floorRows(floors)), ...rowsTo(self, node, 'two processes')]
}

const thereAndBack = (name: string, roundTrip: () => Promise<void>): Row => ({
  name,
  count: alone,
  run: async () => {
    for (let sent = 0; sent < alone; sent++) await roundTrip()
  },
})

/** A frame of an ask's size goes to a host and back, with no runtime on either side. */
async function frameRow(addresses: readonly string[], where: (typeof places)[number]): Promise<Row> {
  const frame = new Uint8Array(askBytes)
  let returned = (): void => {}
  const near = await openBareHost(() => returned())
  const far = await near.dial(addresses)
  const roundTrip = () =>
    new Promise<void>((resolve) => {
      returned = resolve
      if (!near.carrier.send(far, frame)) throw new Error('the link refused a frame')
    })
  return thereAndBack(`a frame there and back, no runtime, ${where}`, roundTrip)
}

async function sameProcessFrames(): Promise<Row> {
  const far: Host = await openBareHost((from, body) => void far.carrier.send(from, body))
  return frameRow(far.addresses(), 'same process')
}

/** What the machine and Node take for it, with nothing of this project. */
async function floorRows({ tcp, tls, bare }: RemotePeer['floors']): Promise<Row[]> {
  return [
    thereAndBack('floor: TCP there and back, two processes', await echoed('tcp', tcp, askBytes)),
    thereAndBack('floor: TLS there and back, two processes', await echoed('tls', tls, askBytes)),
    await frameRow(bare, 'two processes'),
  ]
}

const self = await openLinkedNode()
const rows = [await sameProcessFrames(), ...(await sameProcess(self)), ...(await otherProcess(self))]
process.stdout.write(`${JSON.stringify(await timings(rows, Number(process.argv[2])))}\n`)
process.exit(0)
