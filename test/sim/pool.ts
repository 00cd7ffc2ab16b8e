/** Seeds over all cores: hands them out in small orders and gives back what came of each. */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order, Summary } from './sim-child.ts'

/** Small enough that all cores end together, large enough that nobody waits for the next. */
const seedsPerOrder = 8

/**
 * A run makes much garbage and keeps nothing: a nursery that is large from the start halves the cost of collecting it, and
 * that much lives as long as a run does is no reason to take it for old from its birth.
 */
const execArgv = [
  '--disable-warning=ExperimentalWarning',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--no-allocation-site-pretenuring',
]

const simChild = new URL('sim-child.ts', import.meta.url)

/**
 * Runs every seed; `onReady` is called for each process that begins, `onSummary` answers whether to go on.
 * Rejects when a process dies, with the seed that it was at.
 */
export async function runSeeds(
  seeds: Iterable<number>,
  onReady: () => void,
  onSummary: (summary: Summary) => boolean,
  childModule: URL = simChild,
): Promise<void> {
  const rest = seeds[Symbol.iterator]()
  let goesOn = true
  const children: ChildProcess[] = []
  const take = (): number[] => {
    const order: number[] = []
    while (goesOn && order.length < seedsPerOrder) {
      const next = rest.next()
      if (next.done === true) break
      order.push(next.value)
    }
    return order
  }
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(childModule), { execArgv })
      children.push(child)
      /** What it has to run, the present one first. */
      let open: number[] = []
      const order = (): void => {
        open = take()
        if (open.length === 0) child.disconnect()
        else child.send({ seeds: open } satisfies Order)
      }
      child.on('message', (summary: Summary | 'ready') => {
        if (summary === 'ready') {
          onReady()
          order()
          return
        }
        open = open.slice(1)
        if (!onSummary(summary)) goesOn = false
        if (!goesOn) child.kill()
        else if (open.length === 0) order()
      })
      child.on('exit', (code, signal) => {
        if (code === 0 || !goesOn) resolve()
        else reject(new Error(`a simulating process ended with ${signal ?? code} at seed ${open[0] ?? 'none'}`))
      })
    })
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, work))
  } finally {
    for (const child of children) child.kill()
  }
}
