/** Waits for what another process does by itself, by asking again until it is so. */
import { setTimeout as pause } from 'node:timers/promises'

const pollMs = 20
const defaultWithinMs = 20_000

/** The probe's first answer that is neither undefined nor false. Rejects after `withinMs` with what was waited for. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = defaultWithinMs,
): Promise<Exclude<T, undefined | false>> {
  const untilMs = performance.now() + withinMs
  while (performance.now() < untilMs) {
    const answer = await probe()
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    await pause(pollMs)
  }
  throw new Error(`waited ${withinMs / 1000} s in vain: ${what}`)
}
