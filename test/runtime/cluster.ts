/** Several runtimes that can reach each other, each with the paths that `protocols/messages.ts` opens to peers. */
import type { NodeId, Ref } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import { type Door, here } from '../../src/runtime/here.ts'
import { fromTransition } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { puppet, steady, supervisor } from './kit.ts'

export const heartbeat = (sequence = 1) => ({
  type: 'peer.heartbeat',
  sequence,
  incarnation: 1,
  reportVersion: 1,
  kind: 'beat',
})
export const probe = { type: 'health.probe' }
const healthy = { type: 'health.state', state: 'serving', activeTasks: 0, uptimeMs: 1 }

/** Where a node hears what `peer` says. */
export const peerRef = (node: NodeId, peer: NodeId): Ref => refOf(node, `node/peers/${peer}`)
export const healthRef = (node: NodeId): Ref => refOf(node, 'node/health')

type Question = { readonly type: string; readonly replyTo?: Ref; readonly run?: (door: Door) => void }

/** Answers probes; keeps silent when told `hush`, throws when told `die`. */
const health = fromTransition((silent: boolean, event: Question, { system }) => {
  if (event.type === 'die') throw new Error('died as told')
  if (event.type === 'do') event.run?.(here(system))
  if (event.type === 'hush') return true
  if (event.type === 'health.probe' && !silent) here(system).tell(event.replyTo as Ref, healthy)
  return silent
}, false)

/** A runtime with `node/peers/<peer>` for each peer and `node/health`. */
export function member(node: NodeId, world: SimulatedWorld, peers: readonly NodeId[]) {
  const runtime = new Runtime(node, world)
  const actors = new Map(peers.map((peer) => [peer, puppet(peer)]))
  const policy = { ...steady, intensity: 1_000_000 }
  runtime.spawn(
    supervisor('node', {
      policy,
      children: [
        supervisor('peers', { policy, children: [...actors.values()].map(({ spec }) => spec) }),
        { id: 'health', logic: health, mailboxCapacity: 16 },
      ],
    }),
  )
  const heardFrom = (peer: NodeId) => actors.get(peer)?.heard ?? []
  return { runtime, heardFrom }
}

/** Two members whose frames arrive at once, unless `gate` says otherwise. */
export function pair(seed = 1) {
  const world = new SimulatedWorld(seed)
  const a = member('a', world, ['b'])
  const b = member('b', world, ['a'])
  /** Frames in flight go through here: false, the carrier does not take it; 'lose', it is gone. */
  const gate: { pass: (from: NodeId, frame: Uint8Array) => boolean | 'lose' } = { pass: () => true }
  const join = (from: Runtime, to: Runtime): void => {
    from.connect({
      send: (node, frame) => {
        const passed = node === to.node && gate.pass(from.node, frame)
        if (passed === true) world.wake(() => to.receive(from.node, frame))
        return passed !== false
      },
    })
  }
  join(a.runtime, b.runtime)
  join(b.runtime, a.runtime)
  return { world, a, b, gate }
}
