/** Time and timers as the engines need them, so that a simulator can drive them. */
export interface Clock {
  monotonicMs(): number
  setTimeout(run: () => void, delayMs: number): unknown
  clearTimeout(id: unknown): void
}

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
}
