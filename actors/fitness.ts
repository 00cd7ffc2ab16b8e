/**
 * Whether a peer passes its health checks, damped: one failure takes it out of placement, and the more often that has
 * happened of late, the more successes in a row it takes to come back.
 */

/** Successes in a row that are asked for at most: at one every two seconds, sixteen seconds. */
const maxWanted = 8
/** Successes in a row after which earlier failures are forgotten: ten minutes of usual checks. */
const forgottenAfter = 20

export interface Fitness {
  readonly fit: boolean
  readonly successes: number
  readonly failures: number
  /** Successes in a row that make it fit again after the next failure. */
  readonly wanted: number
}

/** Before the first check: innocent. */
export const unchecked: Fitness = { fit: true, successes: 0, failures: 0, wanted: 1 }

export function afterCheck(fitness: Fitness, ok: boolean): Fitness {
  if (!ok) return { ...fitness, fit: false, successes: 0, failures: fitness.failures + 1 }
  const successes = fitness.successes + 1
  if (!fitness.fit) {
    // Back: the next time it takes twice as many.
    if (successes < fitness.wanted) return { ...fitness, successes, failures: 0 }
    return { fit: true, successes: 0, failures: 0, wanted: Math.min(maxWanted, fitness.wanted * 2) }
  }
  return { fit: true, successes, failures: 0, wanted: successes >= forgottenAfter ? 1 : fitness.wanted }
}
