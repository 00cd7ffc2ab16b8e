/**
 * One pull, from the name to the model in the list. It decides; the bytes go from the registry to the disk beside it, and
 * how many have come stands on its board. Cancelling it leaves what has come, for the next pull of the same.
 */
import { here } from '../src/runtime/here.ts'
import { fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ProgressBoard } from './progress-board.ts'

/** Left free on the disk: what else is written there must not fail for a model. */
const reserveBytes = 64 * 1024 * 1024

/** A folder that takes longer to read is seen by the next regular look. */
const refreshMs = 5000

/** What a pull needs of the disk. */
export interface PullNeeds {
  readonly missingBytes: number
  readonly freeBytes: number
}

/** The work itself, step after step; each ends early with its signal. They reject with a message for the person who asked. */
export interface PullSteps {
  resolve(signal: AbortSignal): Promise<PullNeeds>
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

const fits = ({ missingBytes, freeBytes }: PullNeeds): boolean =>
  missingBytes === 0 || missingBytes + reserveBytes <= freeBytes

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

const noSpace = ({ missingBytes, freeBytes }: PullNeeds): string =>
  `not enough disk space: ${gigabytes(missingBytes)} are missing and ${gigabytes(freeBytes)} are free: free some space, or choose another folder with --models`

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const pullMachine = setup({
  types: { context: {} as PullContext, events: {} as PullEvent, input: {} as PullInput },
  actors: {
    resolve: fromPromise<PullNeeds, PullSteps>(({ input, signal }) => input.resolve(signal)),
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
  guards: { fits: (_, needs: PullNeeds) => fits(needs) },
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
        onDone: [
          { guard: { type: 'fits', params: ({ event }) => event.output }, target: 'downloading' },
          {
            target: 'failed',
            actions: { type: 'fail', params: ({ event }) => ({ problem: noSpace(event.output) }) },
          },
        ],
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
