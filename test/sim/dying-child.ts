/** For `pool.test.ts`: answers as a simulating process does, and dies at seed 5. */
import type { Order, Summary } from './sim-child.ts'

process.on('message', ({ seeds }: Order) => {
  for (const seed of seeds) {
    if (seed === 5) return process.exit(7)
    const summary: Summary = { seed, hash: '', events: 0, virtualMs: 0, violations: [], sometimes: [], cpuMs: 0 }
    process.send?.(summary)
  }
})
process.send?.('ready')
process.on('disconnect', () => process.exit(0))
