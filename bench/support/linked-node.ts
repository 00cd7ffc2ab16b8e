/** A runtime on the real network of loopback, as `src/provisions.ts` joins them, and the actors that answer a peer. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import { type Host, type HostEvents, openHost } from '../../src/net/host.ts'
import { here } from '../../src/runtime/here.ts'
import { fromTransition } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'

/** Room for the largest batch that is told without waiting. */
const mailboxCapacity = 16_384

export interface LinkedNode {
  readonly runtime: Runtime
  readonly host: Host
}

const quiet = {
  onConnected: () => {},
  onDisconnected: () => {},
  onDiscovered: () => {},
  onFramesLost: (node: NodeId) => {
    throw new Error(`frames to ${node} were lost`)
  },
  onStreamLost: () => {},
  onReport: () => {},
  onViolation: (_: NodeId, error: Error) => {
    throw error
  },
  admits: () => true,
  serve: () => {
    throw new Error('nothing is computed here')
  },
  openFile: async () => undefined,
} satisfies Partial<HostEvents>

/** A host on a free port of loopback that hands on what it hears. */
export async function openBareHost(onFrame: HostEvents['onFrame']): Promise<Host> {
  return await openHost({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    software: 'bench/1',
    events: { ...quiet, onFrame },
  })
}

/** A node with `node/health` and `node/peers`; its peers are yet to be spawned. */
export async function openLinkedNode(): Promise<LinkedNode> {
  let runtime: Runtime | undefined
  const host = await openBareHost((from, body) => runtime?.receive(from, body))
  runtime = new Runtime(host.peerId)
  demandDelivery(runtime)
  runtime.connect(host.carrier)
  runtime.spawn({
    id: 'node',
    logic: silent,
    children: [
      { id: 'health', logic: health, mailboxCapacity },
      { id: 'peers', logic: silent },
    ],
  })
  return { runtime, host }
}

/** Where a node hears what `peer` says. */
export const peerRef = (node: NodeId, peer: NodeId): Ref => refOf(node, `node/peers/${peer}`)

/** The actor that hears a peer's heartbeats, and says how many there were. */
export function spawnCountingPeer({ runtime }: LinkedNode, peer: NodeId): void {
  runtime.spawn({ id: peer, logic: counting, mailboxCapacity }, refOf(runtime.node, 'node/peers'))
}

const silent = fromTransition((state: null) => state, null)

const health = fromTransition((state: null, event: { type: string; replyTo?: Ref }, { system }) => {
  if (event.replyTo !== undefined) {
    here(system).tell(event.replyTo, { type: 'health.state', state: 'serving', activeTasks: 0, uptimeMs: 1 })
  }
  return state
}, null)

/** What a peer says; a probe is answered with how many were heard since the last one. */
export const heartbeat = (kind: 'beat' | 'probe' | 'answer', heard = 0): Message => ({
  type: 'peer.heartbeat',
  incarnation: heard,
  reportVersion: 0,
  kind,
})

const counting = fromTransition((heard: number, { type, from, kind }: Message, { system }) => {
  if (type !== 'peer.heartbeat') return heard
  if (kind !== 'probe') return heard + 1
  const door = here(system)
  door.tell(peerRef(from as NodeId, door.node), heartbeat('answer', heard + 1))
  return 0
}, 0)

/** A message that is refused would be waited for in vain: it ends the benchmark. */
export function demandDelivery({ facts }: Runtime): void {
  facts.observe(['rejected', 'deadLetter'], (fact) => {
    throw new Error(JSON.stringify(fact))
  })
}
