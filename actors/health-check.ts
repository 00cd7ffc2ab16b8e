/**
 * The application-level health check of one peer: every 30 s, with exponential backoff while it fails. Each result goes
 * into the history; it measures the round trip that peer selection and people see.
 */
import type { NodeId } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, fromPromise, machineOptions, setup } from '../src/runtime/logic.ts'

const intervalMs = 30_000
/** The first check soon after the peer appears, so that its round trip is known. */
const firstMs = 1000
/** While it fails the interval doubles, up to ten minutes. */
const maxIntervalMs = 600_000
const answerMs = 5000

export interface HealthResult {
  readonly peer: NodeId
  readonly ok: boolean
  readonly latencyMs: number
  /** Why it failed. */
  readonly error?: string
}

interface HealthCheckContext {
  readonly peer: NodeId
  readonly checks: number
  readonly failures: number
}

const probe = fromPromise<HealthResult, { peer: NodeId }>(async ({ input, system }) => {
  const { ask, monotonicMs } = here(system)
  const startMs = monotonicMs()
  const answer = await ask(`${input.peer}/node/health`, { type: 'health.probe' }, answerMs).catch(
    (error: Error) => error,
  )
  const latencyMs = monotonicMs() - startMs
  if (answer instanceof Error) return { peer: input.peer, ok: false, latencyMs, error: answer.message }
  return { peer: input.peer, ok: true, latencyMs }
})

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
      failures: ({ context }, { ok }: HealthResult) => (ok ? 0 : context.failures + 1),
    }),
  },
  delays: {
    next: ({ context: { checks, failures } }) =>
      checks === 0 ? firstMs : Math.min(maxIntervalMs, intervalMs * 2 ** Math.min(failures, 10)),
  },
}).createMachine({
  id: 'health-check',
  options: machineOptions,
  context: ({ input }) => ({ peer: input.peer, checks: 0, failures: 0 }),
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
            { type: 'record', params: ({ event }) => event.output },
            { type: 'tell', params: ({ event }) => event.output },
          ],
        },
      },
    },
  },
})
