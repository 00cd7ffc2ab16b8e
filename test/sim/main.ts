/**
 * `npm run test:sim`: many seeds over all cores, or one again. See test/sim/README.md.
 *
 *     npm run test:sim                                  500 seeds, as before a merge
 *     npm run test:sim -- --runs 100000                 a night
 *     npm run test:sim -- --seed 4                      that run, with its history
 *     npm run test:sim -- --seed 4 --script '[…]'       that script, or `--replay file`
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { allCheckers } from './checkers/all.ts'
import { runSeeds } from './pool.ts'
import type { Script } from './script.ts'
import { scriptOf, shrink } from './shrink.ts'
import type { Summary } from './sim-child.ts'
import { type RunResult, simulate } from './simulate.ts'

const defaultRuns = 500
/** One seed in so many is run twice, wherever there is a core free: both must have the same history. */
const everyAgain = 10
/** A suite of this many runs reaches every counter; a shorter one may not. */
const runsForCounters = 400
const progressMs = 10_000

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    script: { type: 'string' },
    replay: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

/** What a failure prints, so that it can be repeated. */
function tellFailure({ seed, violations }: Pick<RunResult, 'seed' | 'violations'>, script: Script): void {
  console.log(`\nseed ${seed}, ${script.length} commands:\n${JSON.stringify(script)}\n`)
  for (const { checker, invariant, message, atMs } of violations.slice(0, 5)) {
    console.log(`broken at ${atMs.toFixed(0)} ms: ${invariant} (${checker})\n  ${message}`)
  }
  console.log(`\nagain: npm run test:sim -- --seed ${seed} --script '${JSON.stringify(script)}'`)
}

async function replay(seed: number, text: string | undefined): Promise<boolean> {
  const script = text === undefined ? scriptOf(seed) : (JSON.parse(text) as Script)
  const result = await simulate({ seed, script, keepLines: true })
  console.log(result.lines.join('\n'))
  if (result.violations.length > 0) tellFailure(result, script)
  console.log(`\nhistory ${result.hash}: ${result.events} events in ${(result.virtualMs / 1000).toFixed(1)} virtual s`)
  return result.violations.length === 0
}

class Suite {
  readonly #first: number
  readonly #runs: number
  readonly #hashes = new Map<number, string>()
  readonly #counters = new Map<string, number>()
  #beganMs: number | undefined
  #toldMs = performance.now()
  #done = 0
  #virtualMs = 0
  #cpuMs = 0
  failed: Summary | undefined
  differs: number | undefined

  constructor(first: number, runs: number) {
    this.#first = first
    this.#runs = runs
  }

  /** The first process is ready: the start of processes is no part of what is measured. */
  begin(): void {
    this.#beganMs ??= performance.now()
  }

  *seeds(): Iterable<number> {
    const end = this.#first + this.#runs
    for (let seed = this.#first; seed < end; seed++) yield seed
    // Later and likely elsewhere: in one process, what the first run left behind would not show.
    for (let seed = this.#first; seed < end; seed += everyAgain) yield seed
  }

  take(summary: Summary): boolean {
    const { seed, hash, violations, sometimes, virtualMs, cpuMs } = summary
    this.#done++
    this.#virtualMs += virtualMs
    this.#cpuMs += cpuMs
    for (const [what, count] of sometimes) this.#counters.set(what, (this.#counters.get(what) ?? 0) + count)
    const before = this.#hashes.get(seed)
    if (before === undefined) {
      if ((seed - this.#first) % everyAgain === 0) this.#hashes.set(seed, hash)
    } else if (before !== hash) this.differs = seed
    if (violations.length > 0) this.failed = summary
    this.#progress()
    return this.failed === undefined && this.differs === undefined
  }

  #progress(): void {
    if (values.json || performance.now() - this.#toldMs < progressMs) return
    this.#toldMs = performance.now()
    console.log(`${this.#done} runs, ${this.runsPerSecond.toFixed(1)} a second`)
  }

  get #elapsedMs(): number {
    return performance.now() - (this.#beganMs ?? performance.now())
  }

  get runsPerSecond(): number {
    return (this.#done / this.#elapsedMs) * 1000
  }

  /** Counters that nobody reached. */
  unreached(): string[] {
    if (this.#runs < runsForCounters) return []
    return allCheckers.flatMap(({ name, sometimes }) =>
      sometimes.filter((what) => !this.#counters.has(what)).map((what) => `${what} (${name})`),
    )
  }

  report(): Record<string, unknown> {
    return {
      runs: this.#done,
      elapsedMs: Math.round(this.#elapsedMs),
      runsPerSecond: Number(this.runsPerSecond.toFixed(1)),
      processes: availableParallelism(),
      /** What one core does that has nothing else to do. */
      runsPerCpuSecond: Number(((this.#done / this.#cpuMs) * 1000).toFixed(1)),
      virtualSecondsPerRun: Number((this.#virtualMs / 1000 / this.#done).toFixed(1)),
      replayedAlike: this.#hashes.size,
      counters: Object.fromEntries([...this.#counters].sort()),
    }
  }
}

async function suite(runs: number, first: number): Promise<boolean> {
  const all = new Suite(first, runs)
  try {
    await runSeeds(
      all.seeds(),
      () => all.begin(),
      (summary) => all.take(summary),
    )
  } catch (error) {
    console.log((error as Error).message)
    return false
  }
  if (all.failed !== undefined) {
    const { seed, violations } = all.failed
    console.log(`seed ${seed} failed: ${violations[0]?.message}\nlooking for a smaller script …`)
    const { script, result } = await shrink({ seed, script: scriptOf(seed) }, violations[0]?.checker ?? '')
    tellFailure(result, script)
    return false
  }
  if (all.differs !== undefined) {
    console.log(`seed ${all.differs} had two histories: something on its way is not the world's`)
    return false
  }
  const unreached = all.unreached()
  const report = { ...all.report(), ...(unreached.length > 0 ? { unreached } : {}) }
  console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, undefined, 2))
  for (const what of unreached) console.log(`never reached: ${what}. What is never reached is not tested`)
  return unreached.length === 0
}

const text = values.replay === undefined ? values.script : readFileSync(values.replay, 'utf8')
const passed =
  values.seed === undefined && text === undefined
    ? await suite(Number(values.runs ?? defaultRuns), Number(values.from))
    : await replay(Number(values.seed ?? 1), text)
// Whoever reads by a pipe has everything before the end.
process.stdout.write('', () => process.exit(passed ? 0 : 1))
