/** What it costs to reach an actor of another node. */
import type { BenchContext } from '../support/context.ts'
import { measuredBy } from '../support/measuring.ts'
import { type Timings, timingsTable, usEach } from '../support/rows.ts'
import type { Section, SectionResult, Verdict } from '../support/section.ts'

/** Where the other node is; ends the name of each row. */
export const places = ['same process', 'two processes'] as const

/** The row that the target is about. */
export const askAlone = (place: (typeof places)[number]): string => `ask, one at a time, ${place}`

const mostUs = 200

export const remote: Section = {
  name: 'remote',
  title: 'Between two nodes',
  method: `Two nodes on loopback with the network that a node has: TCP, TLS 1.3, yamux, every message checked against its schema. A round asks 1000 questions one at
a time and 5000 with 500 in flight, tells and is told back 1000 times one at a time, and tells 10,000 at once, of which none may be lost. With two processes every
message also wakes a sleeping process, twice for a question.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const timed = await measuredBy<Timings>(context, {
    worker: new URL('../workers/remote.ts', import.meta.url),
    words: [context.rounds],
  })
  const table = timingsTable(timed)
  const judged = (place: (typeof places)[number]): Verdict => {
    const measured = table.samples(askAlone(place), usEach)
    const what = `ask over TCP, one at a time, ${place}`
    return { what, target: `≤ ${mostUs} µs`, measured, unit: 'µs', met: measured.median <= mostUs }
  }
  return { tables: [{ title: 'By way and load', table }], verdicts: places.map(judged) }
}
