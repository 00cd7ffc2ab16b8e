/** Real time for the engines; a simulator gives its own. */
import type { Clock } from '../runtime/world.ts'

export type { Clock }

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
}
