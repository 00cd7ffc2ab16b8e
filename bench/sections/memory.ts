/** What an actor weighs. */
import type { BenchContext } from '../support/context.ts'
import { measuredBy } from '../support/measuring.ts'
import { Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

/** What `bench/workers/memory.ts` prints. */
export interface Weight {
  readonly heapBytesEach: number
  /** Resident memory of the whole process, right after the last actor's message, */
  readonly grownBytes: number
  /** and once everything has been collected. */
  readonly residentBytes: number
}

const actors = 100_000
/** Enough to see that it runs. */
const smokeActors = 5000
const mostMegabytes = 600

const columns = ['heap bytes each', 'resident memory, MB', 'before collection, MB'] as const
const arms = [
  ['raw XState actors', 'raw'],
  ['supervised machine actors', 'cells'],
] as const

export const memory: Section = {
  name: 'memory',
  title: 'Memory of actors',
  method: `${actors.toLocaleString('en')} machines that count, each of which has handled one message: raw XState actors, and the same under one supervisor. Each arm and round has a process of
its own. Heap is the difference between before and after, both once everything has been collected. Resident memory is that of the whole process, Node and the
sources included (about 100 MB): once everything has been collected, which is what the target is held to, and right after the last message, with the garbage of the starts.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const table = new Table(columns)
  const count = context.smoke ? smokeActors : actors
  for (let round = 0; round < context.rounds; round++) {
    for (const [row, arm] of arms) {
      const weighing = {
        worker: new URL('../workers/memory.ts', import.meta.url),
        words: [arm, count],
        nodeFlags: ['--expose-gc'],
      }
      const weight = await measuredBy<Weight>(context, weighing)
      table.add(row, {
        'heap bytes each': weight.heapBytesEach,
        'resident memory, MB': weight.residentBytes / 1e6,
        'before collection, MB': weight.grownBytes / 1e6,
      })
    }
  }
  const measured = table.samples('supervised machine actors', 'resident memory, MB')
  return {
    tables: [{ title: `${count.toLocaleString('en')} live actors`, table }],
    verdicts: [
      {
        what: `resident memory of ${count.toLocaleString('en')} supervised machine actors`,
        target: `≤ ${mostMegabytes} MB`,
        measured,
        unit: 'MB',
        met: measured.median <= mostMegabytes,
      },
    ],
  }
}
