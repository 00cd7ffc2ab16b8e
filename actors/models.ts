/**
 * The models on this node's disk: lists them, notices what others change in the folder, answers `show`, and has names
 * copied and removed.
 */
import type { Ref } from '../protocols/ref.ts'
import type { HeldModel } from '../protocols/report.ts'
import { maxReportedModels } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { type AnyActorLogic, assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import type { ShownInstead } from './model-catalog.ts'

/** How soon a manifest that somebody else wrote into the folder is noticed. */
const rescanMs = 10_000

type ModelsEvent =
  /** After an import: scan anew, and answer when the result has been told. */
  { readonly type: 'models.refresh'; readonly replyTo: Ref } | ShowRequest | ChangeRequest

export interface ShowRequest extends ShownInstead {
  readonly type: 'models.show'
  readonly name: string
  readonly verbose: boolean
  /** Where in the JSON the answer begins: a verbose one does not fit into one message. */
  readonly offset: number
  readonly replyTo: Ref
}

/** From this node or another: a name is to be made, or to go. Answered with `models.changed`. */
export type ChangeRequest =
  | { readonly type: 'models.copy'; readonly source: string; readonly destination: string; readonly replyTo: Ref }
  | { readonly type: 'models.delete'; readonly name: string; readonly replyTo: Ref }

export interface ModelsInput {
  /** Reads one model's metadata and answers the request; an actor of its own for each, because it reads files. */
  readonly show: AnyActorLogic
  /** Carries out one ChangeRequest and answers it. */
  readonly change: AnyActorLogic
}

interface ModelsContext extends ModelsInput {
  /** What was last told; undefined: nothing yet, so that what an earlier incarnation told may still stand. */
  readonly models: readonly HeldModel[] | undefined
  /** Who asked for a scan that has not started. */
  readonly waiting: readonly Ref[]
  /** Who gets an answer from the scan that runs. */
  readonly answering: readonly Ref[]
}

const sameModels = (a: readonly HeldModel[] | undefined, b: readonly HeldModel[]): boolean =>
  a?.length === b.length && a.every((model, i) => model.name === b[i]?.name && model.digest === b[i]?.digest)

const refresh = { actions: 'keepWaiting' } as const

export const modelsMachine = setup({
  types: { context: {} as ModelsContext, events: {} as ModelsEvent, input: {} as ModelsInput },
  actors: {
    /** Provided: all complete models on disk, newest first. */
    scan: fromPromise<readonly HeldModel[]>(() => Promise.resolve([])),
  },
  actions: {
    show: ({ context, event, system }) => {
      if (event.type !== 'models.show') return
      const { spawn, nextId } = here(system)
      spawn({ id: `show-${nextId()}`, logic: context.show, input: event, restart: 'temporary' })
    },
    change: ({ context, event, system }) => {
      if (event.type !== 'models.copy' && event.type !== 'models.delete') return
      const { spawn, nextId } = here(system)
      spawn({ id: `change-${nextId()}`, logic: context.change, input: event, restart: 'temporary' })
    },
    keepWaiting: assign({
      waiting: ({ context, event }) =>
        event.type === 'models.refresh' ? [...context.waiting, event.replyTo] : context.waiting,
    }),
    takeWaiting: assign(({ context }) => ({ answering: context.waiting, waiting: [] })),
    noteModels: assign((_, { models }: { models: readonly HeldModel[] }) => ({ models })),
    tellReporter: ({ context, system }, { models }: { models: readonly HeldModel[] }) => {
      const { tell, local } = here(system)
      if (!sameModels(context.models, models)) tell(local('node/reporter'), { type: 'models.changed', models })
    },
    answer: ({ context, system }) => {
      for (const asker of context.answering) here(system).tell(asker, { type: 'models.refreshed' })
    },
  },
  guards: { isWanted: ({ context }) => context.waiting.length > 0 },
  delays: { rescan: rescanMs },
}).createMachine({
  id: 'models',
  options: machineOptions,
  context: ({ input }) => ({ ...input, models: undefined, waiting: [], answering: [] }),
  on: {
    'models.show': { actions: 'show' },
    'models.copy': { actions: 'change' },
    'models.delete': { actions: 'change' },
  },
  initial: 'scanning',
  states: {
    scanning: {
      entry: 'takeWaiting',
      on: { 'models.refresh': refresh },
      invoke: {
        src: 'scan',
        onDone: {
          target: 'resting',
          actions: [
            { type: 'tellReporter', params: ({ event }) => ({ models: event.output.slice(0, maxReportedModels) }) },
            { type: 'noteModels', params: ({ event }) => ({ models: event.output.slice(0, maxReportedModels) }) },
            'answer',
          ],
        },
      },
    },
    resting: {
      always: { guard: 'isWanted', target: 'scanning' },
      after: { rescan: 'scanning' },
      on: { 'models.refresh': refresh },
    },
  },
})
