/** C.5, 4. Nobody computes for long what nobody waits for. */
import type { CheckerKind } from '../checker.ts'
import type { Execution } from '../executions.ts'

/**
 * Undisturbed time of the worker from the moment when nobody waits any more. A cancellation that cannot arrive is one
 * whose link is gone for both sides within 4.5 s of silence, and once more as long when a dial was under way.
 */
const maxIdleMs = 10_000

export const cancellation: CheckerKind = {
  name: 'cancellation',
  invariant: 'no engine computes for longer than 10 s what nobody waits for',
  sometimes: ['a client left before the end', 'a request ran into its deadline'],
  start: ({ cluster, faults, broken, sometimes }) => {
    const { world, executions } = cluster
    const idleSince = new Map<Execution, number>()
    const isWanted = ({ id }: Execution): boolean =>
      cluster.clients.some((client) => client.id === id && client.endedMs === undefined)
    return {
      onClient: (client) => {
        if (client.outcome === 'left') sometimes('a client left before the end')
        if (client.code === 'deadline') sometimes('a request ran into its deadline')
      },
      onTick: () => {
        const nowMs = world.monotonicMs()
        for (const execution of idleSince.keys()) if (!executions.running.has(execution)) idleSince.delete(execution)
        for (const execution of executions.running) {
          const untilMs = faults.disturbedUntilMs.get(execution.node) ?? 0
          if (isWanted(execution)) idleSince.delete(execution)
          else if (nowMs < untilMs || !idleSince.has(execution)) idleSince.set(execution, nowMs)
          else if (nowMs - (idleSince.get(execution) as number) > maxIdleMs) {
            broken(`${execution.node} still computes ${execution.id}, for which nobody has waited for ${maxIdleMs} ms`)
            idleSince.set(execution, Number.POSITIVE_INFINITY)
          }
        }
      },
    }
  },
}
