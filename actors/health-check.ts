/**
 * The application-level health check of one peer: every 30 s; a first failure is soon repeated, with exponential backoff
 * up to the usual interval while it fails, so that a peer that has recovered is back within one. Each result goes into the
 * history; it measures the round trip that peer selection and people see, and decides whether the peer is given work.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'
import { afterCheck, type Fitness, unchecked } from './fitness.ts'

const intervalMs = 30_000
/** The first check soon after the peer appears, so that its round trip is known. */
const firstMs = 1000
/** After the first failure, and while successes are counted; doubles with each further failure. */
const soonMs = 2000
const answerMs = 5000
/** The reasons of an ask that got no further than this node: whether a peer is reachable is not a matter of its health. */
const linkReasons: ReadonlySet<unknown> = new Set(['unreachable', 'down'])

export interface HealthResult {
  readonly peer: NodeId
  readonly ok: boolean
  readonly latencyMs: number
  /** Why it failed. */
  readonly error?: string
  /** Why the peer is given no work, with this check counted; '' when it is. */
  readonly unfit: string
}

interface Checked extends Omit<HealthResult, 'unfit'> {
  /** Whether the question left this node. */
  readonly isSent: boolean
}

interface HealthCheckContext {
  readonly peer: NodeId
  readonly checks: number
  readonly fitness: Fitness
  /** Failures in a row, those of the link included. */
  readonly failures: number
}

const probe = fromPromise<Checked, { peer: NodeId }>(async ({ input, system }) => {
  const { ask, monotonicMs } = here(system)
  const startMs = monotonicMs()
  const answer = await ask(`${input.peer}/node/health`, { type: 'health.probe' }, answerMs).catch(
    (error: Error & { readonly reason?: unknown }) => error,
  )
  const latencyMs = monotonicMs() - startMs
  const { peer } = input
  if (!(answer instanceof Error)) return { peer, ok: true, latencyMs, isSent: true }
  return { peer, ok: false, latencyMs, error: answer.message, isSent: !linkReasons.has(answer.reason) }
})

/** In words: how it fails, or how many successes are still wanted. */
function unfitText({ fit, failures, successes, wanted }: Fitness, error: string | undefined): string {
  if (fit) return ''
  if (failures > 0) return `fails its health check (${failures} in a row: ${error ?? 'no answer'})`
  return `passes its health check again (${successes} of ${wanted} in a row)`
}

function resultOf({ fitness }: HealthCheckContext, { isSent: _, ...checked }: Checked): HealthResult {
  return { ...checked, unfit: unfitText(fitness, checked.error) }
}

export const healthCheckMachine = setup({
  types: { context: {} as HealthCheckContext, input: {} as { peer: NodeId }, events: {} as { type: 'none' } },
  actors: { probe },
  actions: {
    /** Provided: writes the result into the history. */
    record: (_, _result: HealthResult) => {},
    tell: ({ system }, result: HealthResult) => {
      const { tell, local } = here(system)
      tell(local('node/membership'), { type: 'peer.checked', ...result })
    },
    count: assign({
      checks: ({ context }) => context.checks + 1,
      failures: ({ context }, { ok }: Checked) => (ok ? 0 : context.failures + 1),
      fitness: ({ context }, { ok, isSent }: Checked) => (isSent ? afterCheck(context.fitness, ok) : context.fitness),
    }),
  },
  delays: {
    next: ({ context: { checks, failures, fitness } }) => {
      if (checks === 0) return firstMs
      if (failures > 0) return Math.min(intervalMs, soonMs * 2 ** Math.min(failures - 1, 10))
      return fitness.fit ? intervalMs : soonMs
    },
  },
}).createMachine({
  id: 'health-check',
  options: machineOptions,
  context: ({ input }) => ({ peer: input.peer, checks: 0, fitness: unchecked, failures: 0 }),
  initial: 'waiting',
  states: {
    waiting: { after: { next: 'probing' } },
    probing: {
      invoke: {
        src: 'probe',
        input: ({ context }) => ({ peer: context.peer }),
        onDone: {
          target: 'waiting',
          actions: [
            { type: 'count', params: ({ event }) => event.output },
            { type: 'record', params: ({ context, event }) => resultOf(context, event.output) },
            { type: 'tell', params: ({ context, event }) => resultOf(context, event.output) },
          ],
        },
      },
    },
  },
})
