/** Answers other nodes' health checks with what this node is doing. */
import type { Ref } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { machineOptions, setup } from '../src/runtime/logic.ts'

export interface HealthInput {
  /** Requests that this node computes now. */
  readonly activeTasks: () => number
  /** Monotonic time when the process started. */
  readonly startedMs: number
}

type HealthEvent = { readonly type: 'health.probe'; readonly replyTo: Ref } | { readonly type: 'drain' }

export const healthMachine = setup({
  types: { context: {} as HealthInput, events: {} as HealthEvent, input: {} as HealthInput },
  actions: {
    answer: ({ context, event, system }, { state }: { state: 'serving' | 'draining' }) => {
      if (event.type !== 'health.probe') return
      const { tell, monotonicMs } = here(system)
      const uptimeMs = monotonicMs() - context.startedMs
      tell(event.replyTo, { type: 'health.state', state, activeTasks: context.activeTasks(), uptimeMs })
    },
  },
}).createMachine({
  id: 'health',
  options: machineOptions,
  context: ({ input }) => input,
  initial: 'serving',
  states: {
    serving: {
      on: {
        'health.probe': { actions: { type: 'answer', params: { state: 'serving' } } },
        drain: 'draining',
      },
    },
    draining: { on: { 'health.probe': { actions: { type: 'answer', params: { state: 'draining' } } } } },
  },
})
