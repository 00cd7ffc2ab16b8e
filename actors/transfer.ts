/**
 * One model on its way from a registry or to one. It decides; the bytes go beside it, and how many have arrived stands on
 * its board. Cancelling it leaves what has arrived, for the next of the same.
 */
import { here } from '../src/runtime/here.ts'
import { fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ProgressBoard } from './progress-board.ts'

/** A folder that takes longer to read is seen by the next regular look. */
const refreshMs = 5000

/** The work itself, step after step; each ends early with its signal. They reject with a message for the person who asked. */
export interface TransferSteps {
  /** What steps are called on the board; without a word, a step is not told. */
  readonly words: { readonly resolve: string; readonly verify?: string; readonly write: string }
  /** What the model is made of, and whether there is room for it. */
  resolve(signal: AbortSignal): Promise<void>
  move(signal: AbortSignal): Promise<void>
  verify(signal: AbortSignal): Promise<void>
  /** Gives the model its name where it has arrived. */
  write(signal: AbortSignal): Promise<void>
}

export interface TransferInput {
  readonly steps: TransferSteps
  readonly board: ProgressBoard
}

export type TransferEvent =
  /** From the manager: fewer run than may. */
  | { readonly type: 'transfer.start' }
  /** Nobody listens any more. */
  | { readonly type: 'transfer.cancel' }

interface TransferContext extends TransferInput {}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const transferMachine = setup({
  types: { context: {} as TransferContext, events: {} as TransferEvent, input: {} as TransferInput },
  actors: {
    resolve: fromPromise<void, TransferSteps>(({ input, signal }) => input.resolve(signal)),
    move: fromPromise<void, TransferSteps>(({ input, signal }) => input.move(signal)),
    verify: fromPromise<void, TransferSteps>(({ input, signal }) => input.verify(signal)),
    /** Whoever is told of the success may list the model. */
    write: fromPromise<void, TransferSteps>(async ({ input, signal, system }) => {
      const { ask, local } = here(system)
      await input.write(signal)
      await ask(local('node/models'), { type: 'models.refresh' }, refreshMs).catch(() => undefined)
    }),
  },
  actions: {
    say: ({ context }, { status }: { status: string }) => context.board.say(status),
    sayOf: ({ context }, { step }: { step: keyof TransferSteps['words'] }) => {
      const status = context.steps.words[step]
      if (status !== undefined) context.board.say(status)
    },
    fail: ({ context }, { problem }: { problem: string }) => context.board.end(problem),
    succeed: ({ context }) => context.board.end(),
  },
}).createMachine({
  id: 'transfer',
  options: machineOptions,
  context: ({ input }) => input,
  entry: { type: 'sayOf', params: { step: 'resolve' } },
  on: { 'transfer.cancel': '.cancelled' },
  initial: 'queued',
  states: {
    queued: { on: { 'transfer.start': 'resolving' } },
    resolving: {
      invoke: {
        src: 'resolve',
        input: ({ context }) => context.steps,
        onDone: 'moving',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    moving: {
      invoke: {
        src: 'move',
        input: ({ context }) => context.steps,
        onDone: 'verifying',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    verifying: {
      entry: { type: 'sayOf', params: { step: 'verify' } },
      invoke: {
        src: 'verify',
        input: ({ context }) => context.steps,
        onDone: 'writing',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    writing: {
      entry: { type: 'sayOf', params: { step: 'write' } },
      invoke: {
        src: 'write',
        input: ({ context }) => context.steps,
        onDone: 'done',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    done: { type: 'final', entry: [{ type: 'say', params: { status: 'success' } }, 'succeed'] },
    failed: { type: 'final' },
    cancelled: { type: 'final', entry: { type: 'fail', params: { problem: 'it was cancelled' } } },
  },
})
