/** What the actor kernel costs within one process. */
import type { BenchContext } from '../support/context.ts'
import { measuredBy } from '../support/measuring.ts'
import { type Timings, timingsTable, usEach } from '../support/rows.ts'
import { byRound } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

/** The rows that are compared. */
export const kernelRow = { rawSend: 'raw XState send, machine', tell: 'tell, machine' } as const

/** Times what XState alone takes. */
const mostTell = 1.3

export const runtime: Section = {
  name: 'runtime',
  title: 'The actor kernel',
  method: `Messages, asks and actors within one process that does nothing else, each beside XState without supervision where XState has the like. The machine
counts in its context, the reducer answers what it is asked. A round sends 20,000 messages, 1000 at a time, asks 4000 questions, starts and stops 2000 actors.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const timed = await measuredBy<Timings>(context, {
    worker: new URL('../workers/kernel.ts', import.meta.url),
    words: [context.rounds],
  })
  const table = timingsTable(timed)
  const times = byRound(
    [kernelRow.tell, kernelRow.rawSend].map((row) => table.values(row, usEach)),
    (own, raw) => own / raw,
  )
  return {
    tables: [{ title: 'In one process', table }],
    verdicts: [
      {
        what: 'tell to a supervised machine',
        target: `≤ ${mostTell} × raw XState send`,
        measured: times,
        unit: '×',
        met: times.median <= mostTell,
      },
    ],
  }
}
