/** How many lives of a small cluster the simulator runs in a second. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchContext } from '../support/context.ts'
import { Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

const project = new URL('../../', import.meta.url)
const script = 'test:sim'
/** As many as the command runs by default: the first hundreds compile, and are slower. */
const runsPerRound = 500
/** Enough to see that it runs. */
const smokeRuns = 10
const limitMs = 300_000
const fewestPerSecond = 20

const row = '5 nodes'
/** As many processes as cores: what somebody waits for. */
const rate = 'runs/s, all cores'
/** A run ends when all is whole again, so seeds differ in length; the target is about runs of this length. */
const targetSeconds = 30
const length = 'virtual seconds a run'
const column = `runs/s of ${targetSeconds} virtual seconds`
/** What the machine does beside it takes nothing from this one. */
const perCore = 'runs per CPU second'

/** The last line that the simulator prints with `--json`. */
interface Simulated {
  readonly runs: number
  /** From the first run's start to the last one's end: the start of the process is no part of it. */
  readonly elapsedMs: number
  readonly processes: number
  readonly runsPerCpuSecond: number
  readonly virtualSecondsPerRun: number
}

export const simulator: Section = {
  name: 'simulator',
  title: 'The simulator',
  method: `\`npm run ${script} -- --runs ${runsPerRound} --json\`: whole nodes on one simulated world, under seeded faults, with every invariant checked. A run is one
thread; there is a process for each core.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', project), 'utf8'))
  if (!Object.hasOwn(scripts, script)) {
    return { tables: [], verdicts: [], notes: [`Not measured: there is no \`npm run ${script}\` at this commit.`] }
  }
  const table = new Table([rate, length, column, perCore])
  let cores = 0
  for (let round = 0; round < context.rounds; round++) {
    const done = await simulated(context, context.smoke ? smokeRuns : runsPerRound)
    const perSecond = (done.runs / done.elapsedMs) * 1000
    table.add(row, {
      [rate]: perSecond,
      [length]: done.virtualSecondsPerRun,
      [column]: (perSecond * done.virtualSecondsPerRun) / targetSeconds,
      [perCore]: done.runsPerCpuSecond,
    })
    cores = done.processes
  }
  const measured = table.samples(row, column)
  return {
    tables: [{ title: 'From seed to verdict', table }],
    verdicts: [
      {
        what: `simulated runs of ${row}, ${targetSeconds} virtual seconds, ${cores} processes`,
        target: `≥ ${fewestPerSecond} runs/s`,
        measured,
        unit: 'runs/s',
        met: measured.median >= fewestPerSecond,
      },
    ],
  }
}

async function simulated(context: BenchContext, runs: number): Promise<Simulated> {
  const words = ['run', '--silent', script, '--', '--runs', String(runs), '--json']
  const running = promisify(execFile)('npm', words, { cwd: fileURLToPath(project), timeout: limitMs })
  context.track({ kill: () => void running.child.kill() })
  const { stdout } = await running
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as Simulated
}
