/** Patience in time that this process has lived through: what a starved one has not had it cannot hold against others. */
import { backgroundClock } from './clock.ts'

/** How finely time is counted, in parts of the limit. */
const parts = 10
/** A part that took this much longer than it should says more about this process than about whom it waits for. */
const maxStretch = 1.5

export interface AwakeTimeout {
  readonly signal: AbortSignal
  /** It is over: nothing is counted any more. */
  clear(): void
}

/**
 * Aborts after `limitMs`, as this process has experienced them: a stretch in which its timers fire late counts only
 * for as long as it should have been. A dial that waits for its turn on a busy host is not given up and begun anew,
 * which would make the host busier still.
 */
export function awakeTimeout(limitMs: number): AwakeTimeout {
  const controller = new AbortController()
  const partMs = limitMs / parts
  let livedMs = 0
  let timer: unknown
  const count = (): void => {
    const sinceMs = backgroundClock.monotonicMs()
    timer = backgroundClock.setTimeout(() => {
      livedMs += Math.min(backgroundClock.monotonicMs() - sinceMs, partMs * maxStretch)
      if (livedMs < limitMs) count()
      else controller.abort(new DOMException(`nothing within ${limitMs} ms`, 'TimeoutError'))
    }, partMs)
  }
  count()
  return { signal: controller.signal, clear: () => backgroundClock.clearTimeout(timer) }
}
