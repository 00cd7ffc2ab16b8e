/** Runs seeds for `main.ts`: simulation is one thread, so a machine needs one of these per core. */

import { scriptOf } from './shrink.ts'
import type { RunResult } from './simulate.ts'
import { simulate } from './simulate.ts'

export type Summary = Pick<RunResult, 'seed' | 'hash' | 'events' | 'virtualMs' | 'violations'> & {
  readonly sometimes: ReadonlyArray<readonly [string, number]>
  /** What the run cost this process. */
  readonly cpuMs: number
}

export interface Order {
  readonly seeds: readonly number[]
}

// Refused dials are errors by the thousand, and nobody reads where they were made.
Error.stackTraceLimit = 0

process.on('message', async ({ seeds }: Order) => {
  for (const seed of seeds) {
    const before = process.cpuUsage()
    const { hash, events, virtualMs, violations, sometimes } = await simulate({ seed, script: scriptOf(seed) })
    const { user, system } = process.cpuUsage(before)
    const cpuMs = (user + system) / 1000
    const summary: Summary = { seed, hash, events, virtualMs, violations, sometimes: [...sometimes], cpuMs }
    process.send?.(summary)
  }
})
process.send?.('ready')
process.on('disconnect', () => process.exit(0))
