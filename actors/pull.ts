/**
 * One pull, from the name to the model in the list. It decides; the bytes go from the registry to the disk beside it, and
 * how many have come stands on its board. Cancelling it leaves what has come, for the next pull of the same.
 */
import { here } from '../src/runtime/here.ts'
import { fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ProgressBoard } from './progress-board.ts'

/** A folder that takes longer to read is seen by the next regular look. */
const refreshMs = 5000

/** The work itself, step after step; each ends early with its signal. They reject with a message for the person who asked. */
export interface PullSteps {
  /** What the model is made of, and whether the disk can take it. */
  resolve(signal: AbortSignal): Promise<void>
  download(signal: AbortSignal): Promise<void>
  verify(signal: AbortSignal): Promise<void>
  write(): Promise<void>
}

export interface PullInput {
  readonly steps: PullSteps
  readonly board: ProgressBoard
}

export type PullEvent =
  /** From the manager: fewer pulls run than may. */
  | { readonly type: 'pull.start' }
  /** Nobody listens any more. */
  | { readonly type: 'pull.cancel' }

interface PullContext extends PullInput {}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const pullMachine = setup({
  types: { context: {} as PullContext, events: {} as PullEvent, input: {} as PullInput },
  actors: {
    resolve: fromPromise<void, PullSteps>(({ input, signal }) => input.resolve(signal)),
    download: fromPromise<void, PullSteps>(({ input, signal }) => input.download(signal)),
    verify: fromPromise<void, PullSteps>(({ input, signal }) => input.verify(signal)),
    /** Whoever is told of the success may list the model. */
    write: fromPromise<void, PullSteps>(async ({ input, system }) => {
      const { ask, local } = here(system)
      await input.write()
      await ask(local('node/models'), { type: 'models.refresh' }, refreshMs).catch(() => undefined)
    }),
  },
  actions: {
    say: ({ context }, { status }: { status: string }) => context.board.say(status),
    fail: ({ context }, { problem }: { problem: string }) => context.board.end(problem),
    succeed: ({ context }) => context.board.end(),
  },
}).createMachine({
  id: 'pull',
  options: machineOptions,
  context: ({ input }) => input,
  entry: { type: 'say', params: { status: 'pulling manifest' } },
  on: { 'pull.cancel': '.cancelled' },
  initial: 'queued',
  states: {
    queued: { on: { 'pull.start': 'resolving' } },
    resolving: {
      invoke: {
        src: 'resolve',
        input: ({ context }) => context.steps,
        onDone: 'downloading',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    downloading: {
      invoke: {
        src: 'download',
        input: ({ context }) => context.steps,
        onDone: 'verifying',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ problem: messageOf(event.error) }) },
        },
      },
    },
    verifying: {
      entry: { type: 'say', params: { status: 'verifying sha256 digest' } },
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
      entry: { type: 'say', params: { status: 'writing manifest' } },
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
    cancelled: { type: 'final', entry: { type: 'fail', params: { problem: 'the pull was cancelled' } } },
  },
})
