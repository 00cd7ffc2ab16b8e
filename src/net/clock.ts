/** Real time for the network's timers. None of them keeps a process alive that has nothing else to do. */
import type { Clock } from '../runtime/world.ts'

export const backgroundClock: Clock = {
  monotonicMs: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs).unref(),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
}
