/**
 * What this node says about itself. Every change makes a new version; it is gossiped at once, or two seconds after the
 * last time, and heartbeats name the version so that whoever missed the gossip asks for it here.
 */
import type { Ref } from '../protocols/ref.ts'
import type { HeldModel, LoadedModel, NodeReport } from '../protocols/report.ts'
import { here } from '../src/runtime/here.ts'
import { assign, machineOptions, setup } from '../src/runtime/logic.ts'

/** A report is gossiped at most this often. */
const publishMs = 2000

export interface ReporterInput {
  /** The report at the start: nothing held, nothing loaded. */
  readonly report: NodeReport
}

type ReporterEvent =
  | { readonly type: 'models.changed'; readonly models: readonly HeldModel[] }
  | { readonly type: 'loaded.changed'; readonly loaded: readonly LoadedModel[] }
  | { readonly type: 'api.open'; readonly api: string }
  | { readonly type: 'drain' }
  /** From a membership that has just started. */
  | { readonly type: 'report.describe' }
  | { readonly type: 'report.request'; readonly replyTo: Ref }

interface ReporterContext extends ReporterInput {
  readonly publishedVersion: number
}

function changeOf(event: ReporterEvent): Partial<NodeReport> {
  switch (event.type) {
    case 'models.changed':
      return { models: event.models }
    case 'loaded.changed':
      return { loaded: event.loaded }
    case 'api.open':
      return { api: event.api }
    case 'drain':
      return { state: 'draining' }
    case 'report.request':
    case 'report.describe':
      return {}
  }
}

const changed = { actions: ['change', 'tellMembership'] } as const

export const reporterMachine = setup({
  types: { context: {} as ReporterContext, events: {} as ReporterEvent, input: {} as ReporterInput },
  actions: {
    /** Provided: gossips the report. */
    publish: (_, _report: NodeReport) => {},
    /** An id of this node rises over its lives, so that who knows nothing of the one before still says something newer. */
    change: assign(({ context, event, system }) => ({
      report: { ...context.report, ...changeOf(event), version: here(system).nextId() },
    })),
    tellMembership: ({ context, system }) => {
      const { tell, local } = here(system)
      tell(local('node/membership'), { type: 'report.own', report: context.report })
    },
    answer: ({ context, event, system }) => {
      if (event.type === 'report.request')
        here(system).tell(event.replyTo, { type: 'report.full', report: context.report })
    },
    notePublished: assign({ publishedVersion: ({ context }) => context.report.version }),
  },
  guards: { isNew: ({ context }) => context.report.version !== context.publishedVersion },
  delays: { publish: publishMs },
}).createMachine({
  id: 'reporter',
  options: machineOptions,
  // Nothing to say yet: nobody is connected, and an incarnation before this one may have said more.
  context: ({ input }) => ({ ...input, publishedVersion: input.report.version }),
  on: {
    'report.request': { actions: 'answer' },
    'report.describe': { actions: 'tellMembership' },
    'models.changed': changed,
    'loaded.changed': changed,
    'api.open': changed,
    drain: changed,
  },
  initial: 'published',
  states: {
    publishing: {
      entry: [{ type: 'publish', params: ({ context }) => context.report }, 'notePublished'],
      after: { publish: 'published' },
    },
    published: { always: { guard: 'isNew', target: 'publishing' } },
  },
})
