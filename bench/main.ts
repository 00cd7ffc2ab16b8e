/**
 * `npm run bench`: measures and writes bench/RESULTS.md. `-- --smoke` runs one quick round of everything and writes
 * nothing; `-- runtime memory` runs these sections and writes nothing either; `-- --rounds N` does less or more;
 * `-- --profile DIR` leaves CPU profiles of the processes under load.
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { crashGap } from './sections/crash-gap.ts'
import { create } from './sections/create.ts'
import { entryOverhead } from './sections/entry-overhead.ts'
import { llamaDriver } from './sections/llama-driver.ts'
import { memory } from './sections/memory.ts'
import { pull } from './sections/pull.ts'
import { relay } from './sections/relay.ts'
import { remote } from './sections/remote.ts'
import { runtime } from './sections/runtime.ts'
import { simulator } from './sections/simulator.ts'
import { start } from './sections/start.ts'
import { BenchContext } from './support/context.ts'
import { loadAverage, machineRows } from './support/machine.ts'
import { type Measured, reportOf, sectionText, verdictTable } from './support/report.ts'

const sections = [entryOverhead, relay, llamaDriver, start, crashGap, runtime, remote, pull, create, memory, simulator]
const results = new URL('RESULTS.md', import.meta.url)

/** Fewer say nothing about the spread. */
const defaultRounds = 7
/** A night. */
const maxRounds = 1000

interface Options {
  readonly rounds: number
  readonly smoke: boolean
  /** Names; none: all sections. */
  readonly only: readonly string[]
  readonly profile: string | undefined
}

function readOptions(): Options {
  const { values, positionals: only } = parseArgs({
    allowPositionals: true,
    options: {
      smoke: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  const rounds = Number(values.rounds ?? (values.smoke ? 1 : defaultRounds))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > maxRounds) {
    throw new Error(`--rounds ${values.rounds}: expected a whole number from 1 to ${maxRounds}`)
  }
  const names = sections.map(({ name }) => name)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`${unknown}: expected ${names.join(', ')}`)
  return { rounds, smoke: values.smoke, only, profile: values.profile }
}

async function bench({ rounds, only, smoke }: Options, context: BenchContext): Promise<void> {
  const startMs = performance.now()
  const machine = machineRows()
  const loadBefore = loadAverage()
  const measured: Measured[] = []
  for (const section of sections) {
    if (only.length > 0 && !only.includes(section.name)) continue
    process.stderr.write(`${section.title} …\n`)
    const result = await section.run(context)
    await context.endSection()
    measured.push({ section, result })
    const judged = result.verdicts.length === 0 ? '' : `${verdictTable(result.verdicts)}\n\n`
    process.stdout.write(`${sectionText(section, result)}\n\n${judged}`)
  }
  if (smoke || only.length > 0) return
  const minutes = Math.ceil((performance.now() - startMs) / 60_000)
  const run = { machine, rounds, loadBefore, cores: availableParallelism(), minutes }
  writeFileSync(results, reportOf(run, measured))
  process.stderr.write('written to bench/RESULTS.md\n')
}

const options = readOptions()
const context = new BenchContext({ rounds: options.rounds, smoke: options.smoke, profileFolder: options.profile })
process.once('exit', () => context.kill())
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
try {
  await bench(options, context)
  process.exit(0)
} catch (error) {
  process.stderr.write(`the benchmark failed: ${(error as Error).stack}\n${context.logs()}`)
  process.exit(1)
}
