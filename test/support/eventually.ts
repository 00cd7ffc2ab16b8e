/** Waits for what becomes true by itself, by asking again until it is. */
import { setTimeout as pause } from 'node:timers/promises'

/** Generous: other tests have the same two cores. What a test promises about time it measures itself. */
const defaultWithinMs = 15_000
/** Short at first, then a tenth of what has been waited: who asks real nodes takes the time that they need to get there. */
const minPollMs = 20
const maxPollMs = 100
const pollShare = 0.1

/**
 * Resolves with the probe's first answer that is neither undefined nor false. A probe that throws has no answer yet.
 * Rejects after `withinMs` with what was waited for and what the probe last said.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = defaultWithinMs,
): Promise<Exclude<T, undefined | false>> {
  const startMs = performance.now()
  const untilMs = startMs + withinMs
  let last: unknown
  do {
    try {
      const answer = await probe()
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
      last = answer
    } catch (error) {
      last = error
    }
    const waitedMs = performance.now() - startMs
    await pause(Math.min(Math.max(waitedMs * pollShare, minPollMs), maxPollMs))
  } while (performance.now() < untilMs)
  throw new Error(`not within ${withinMs} ms: ${what}; last: ${last instanceof Error ? last.message : String(last)}`)
}
