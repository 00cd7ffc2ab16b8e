/**
 * The node's place on the network: the libp2p host as an actor. A host that fails is a crash of this actor, and
 * everything above it in the tree starts anew with it.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, machineOptions, setup } from '../src/runtime/logic.ts'

export type NetworkEvent =
  | { readonly type: 'host.open'; readonly addresses: readonly string[] }
  | { readonly type: 'host.failed'; readonly error: Error }
  | { readonly type: 'link.up'; readonly node: NodeId }
  | { readonly type: 'link.down'; readonly node: NodeId }
  | { readonly type: 'peer.found'; readonly node: NodeId; readonly addresses: readonly string[] }
  /** From a membership that has just started: what is known already? */
  | { readonly type: 'network.describe' }

interface NetworkContext {
  readonly addresses: readonly string[]
  readonly links: ReadonlySet<NodeId>
}

export const networkMachine = setup({
  types: { context: {} as NetworkContext, events: {} as NetworkEvent },
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
    noteLinkUp: assign({
      links: ({ context, event }) =>
        event.type === 'link.up' ? new Set(context.links).add(event.node) : context.links,
    }),
    noteLinkDown: assign({
      links: ({ context, event }) =>
        event.type === 'link.down' ? new Set([...context.links].filter((node) => node !== event.node)) : context.links,
    }),
    describe: ({ context, system }) => {
      const { tell, local } = here(system)
      const membership = local('node/membership')
      tell(membership, { type: 'host.open', addresses: context.addresses })
      for (const node of context.links) tell(membership, { type: 'link.up', node })
    },
  },
}).createMachine({
  id: 'network',
  options: machineOptions,
  context: { addresses: [], links: new Set() },
  invoke: { src: 'host' },
  on: { 'host.failed': { actions: 'fail' } },
  initial: 'opening',
  states: {
    opening: {
      on: {
        'host.open': { target: 'open', actions: ['noteAddresses', 'describe'] },
        // Peers may be quicker to dial us than we are to say that we listen.
        'link.up': { actions: 'noteLinkUp' },
        'link.down': { actions: 'noteLinkDown' },
      },
    },
    open: {
      on: {
        'link.up': { actions: ['noteLinkUp', 'forward'] },
        'link.down': { actions: ['noteLinkDown', 'forward'] },
        'peer.found': { actions: 'forward' },
        'network.describe': { actions: 'describe' },
      },
    },
  },
})
