/**
 * The node's place on the network: the libp2p host as an actor. A host that fails is a crash of this actor, and
 * everything above it in the tree starts anew with it.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, setup } from '../src/runtime/logic.ts'

export type NetworkEvent =
  | { readonly type: 'host.open'; readonly addresses: readonly string[] }
  | { readonly type: 'host.failed'; readonly error: Error }
  | { readonly type: 'link.up'; readonly node: NodeId }
  | { readonly type: 'link.down'; readonly node: NodeId }
  | { readonly type: 'peer.found'; readonly node: NodeId; readonly addresses: readonly string[] }

export const networkMachine = setup({
  types: { context: {} as { addresses: readonly string[] }, events: {} as NetworkEvent },
  actors: {
    /** Provided: opens the host, sends NetworkEvents, closes it when stopped. */
    host: fromCallback<NetworkEvent>(() => {}),
  },
  actions: {
    fail: ({ event }) => {
      throw event.type === 'host.failed' ? event.error : new Error('the network host failed')
    },
    /** Membership decides what a link or a discovery means. */
    forward: ({ event, system }) => {
      const { tell, local } = here(system)
      tell(local('node/membership'), { ...event })
    },
    noteAddresses: assign(({ event }) => (event.type === 'host.open' ? { addresses: event.addresses } : {})),
  },
}).createMachine({
  id: 'network',
  context: { addresses: [] },
  invoke: { src: 'host' },
  on: { 'host.failed': { actions: 'fail' } },
  initial: 'opening',
  states: {
    opening: { on: { 'host.open': { target: 'open', actions: ['noteAddresses', 'forward'] } } },
    open: {
      on: { 'link.up': { actions: 'forward' }, 'link.down': { actions: 'forward' }, 'peer.found': { actions: 'forward' } },
    },
  },
})
