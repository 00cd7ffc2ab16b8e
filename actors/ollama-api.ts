/**
 * The HTTP listener as an actor: binding → listening → draining → closed. A listener that fails is a crash and is bound
 * anew; one that cannot be bound at the start ends the start (see `src/node.ts`).
 */
import type { Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromCallback, machineOptions, setup } from '../src/runtime/logic.ts'

export type ListenerEvent =
  | { readonly type: 'listener.open'; readonly api: string }
  | { readonly type: 'listener.failed'; readonly error: Error }
  /** All responses that ran when the drain began have ended. */
  | { readonly type: 'listener.drained' }

type OllamaApiEvent = ListenerEvent | { readonly type: 'drain'; readonly replyTo: Ref }

interface OllamaApiContext {
  readonly api: string
  readonly drainers: readonly Ref[]
}

const drain = { target: 'draining', actions: ['keepDrainer', 'drainListener'] } as const

export const ollamaApiMachine = setup({
  types: { context: {} as OllamaApiContext, events: {} as OllamaApiEvent },
  actors: {
    /** Provided: serves until it is stopped; drains when it receives `drain`. */
    listener: fromCallback<{ type: 'drain' }>(() => {}),
  },
  actions: {
    fail: ({ event }) => {
      throw event.type === 'listener.failed' ? event.error : new Error('the listener failed')
    },
    noteOpen: assign(({ event }) => (event.type === 'listener.open' ? { api: event.api } : {})),
    announce: ({ context, system }) => {
      const { tell, local } = here(system)
      tell(local('node/reporter'), { type: 'api.open', api: context.api })
    },
    keepDrainer: assign({
      drainers: ({ context, event }) =>
        event.type === 'drain' ? [...context.drainers, event.replyTo] : context.drainers,
    }),
    drainListener: ({ self }) => {
      self.getSnapshot().children.listener?.send({ type: 'drain' })
    },
    answerDrained: ({ context, system }) => {
      for (const drainer of context.drainers) here(system).tell(drainer, { type: 'drained' })
    },
    forgetDrainers: assign({ drainers: [] }),
  },
}).createMachine({
  id: 'ollama-api',
  options: machineOptions,
  context: { api: '', drainers: [] },
  invoke: { id: 'listener', src: 'listener' },
  on: { 'listener.failed': { actions: 'fail' } },
  initial: 'binding',
  states: {
    binding: { on: { 'listener.open': { target: 'listening', actions: ['noteOpen', 'announce'] }, drain } },
    listening: { on: { drain } },
    draining: { on: { drain: { actions: 'keepDrainer' }, 'listener.drained': 'drained' } },
    drained: {
      entry: ['answerDrained', 'forgetDrainers'],
      on: { drain: { target: 'drained', reenter: true, actions: 'keepDrainer' } },
    },
  },
})
