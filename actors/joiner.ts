/**
 * One `--join` address: dialled until it answers, and again whenever the node behind it is forgotten. The address may
 * be without a peer id: who answers there is who it is.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'

const retryMinMs = 250
const retryMaxMs = 10_000

interface JoinerContext {
  readonly address: string
  readonly node: NodeId | undefined
  readonly failures: number
}

type JoinerEvent = { readonly type: 'peer.forgotten'; readonly node: NodeId }

export const joinerMachine = setup({
  types: { context: {} as JoinerContext, input: {} as { address: string }, events: {} as JoinerEvent },
  actors: {
    /** Provided: resolves with the id of the node that answers at the address. */
    dialAddress: fromPromise<NodeId, { address: string }>(() => Promise.reject(new Error('no network'))),
  },
  actions: {
    noteFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    noteNode: assign((_, { node }: { node: NodeId }) => ({ node, failures: 0 })),
    announce: ({ system, context }, { node }: { node: NodeId }) => {
      const { tell, local } = here(system)
      tell(local('node/membership'), { type: 'peer.found', node, addresses: [context.address] })
    },
    /** Provided: tells the log, at the first failure only. */
    warn: (_, _failure: { address: string; error: unknown; failures: number }) => {},
  },
  guards: {
    isOurs: ({ context, event }) => event.node === context.node,
  },
  delays: {
    retry: ({ context, system }) =>
      Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(context.failures, 10)) * (0.8 + 0.4 * here(system).random()),
  },
}).createMachine({
  id: 'joiner',
  options: machineOptions,
  context: ({ input }) => ({ address: input.address, node: undefined, failures: 0 }),
  initial: 'dialling',
  states: {
    dialling: {
      invoke: {
        src: 'dialAddress',
        input: ({ context }) => ({ address: context.address }),
        onDone: {
          target: 'joined',
          actions: [
            { type: 'noteNode', params: ({ event }) => ({ node: event.output }) },
            { type: 'announce', params: ({ event }) => ({ node: event.output }) },
          ],
        },
        onError: {
          target: 'waiting',
          actions: [
            'noteFailure',
            {
              type: 'warn',
              params: ({ context, event }) => ({
                address: context.address,
                error: event.error,
                failures: context.failures,
              }),
            },
          ],
        },
      },
    },
    waiting: { after: { retry: 'dialling' } },
    joined: { on: { 'peer.forgotten': { guard: 'isOurs', target: 'waiting' } } },
  },
})
