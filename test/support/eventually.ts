/** Waits for what becomes true by itself, by asking again until it is. */
import { setTimeout as pause } from 'node:timers/promises'

/** Generous: other tests have the same two cores. What a test promises about time it measures itself. */
const defaultWithinMs = 15_000
const pollMs = 20

/**
 * Resolves with the probe's first answer that is neither undefined nor false. A probe that throws has no answer yet.
 * Rejects after `withinMs` with what was waited for and what the probe last said.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = defaultWithinMs,
): Promise<Exclude<T, undefined | false>> {
  const untilMs = performance.now() + withinMs
  let last: unknown
  do {
    try {
      const answer = await probe()
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
      last = answer
    } catch (error) {
      last = error
    }
    await pause(pollMs)
  } while (performance.now() < untilMs)
  throw new Error(`not within ${withinMs} ms: ${what}; last: ${last instanceof Error ? last.message : String(last)}`)
}
