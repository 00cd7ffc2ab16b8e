/** A process that measures one thing, prints it as one line of JSON and ends. */
import { execFile } from 'node:child_process'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchContext } from './context.ts'

/** Seven rounds take half a minute on a busy machine. */
const limitMs = 300_000

export interface Measuring {
  readonly worker: URL
  readonly words?: readonly (string | number)[]
  readonly nodeFlags?: readonly string[]
}

/** What the worker printed. Rejects when it fails or takes too long; it ends with the benchmark. */
export async function measuredBy<T>(
  context: BenchContext,
  { worker, words = [], nodeFlags = [] }: Measuring,
): Promise<T> {
  const file = fileURLToPath(worker)
  const profiling = context.profiled(basename(file, '.ts')).nodeFlags ?? []
  const flags = ['--disable-warning=ExperimentalWarning', ...profiling, ...nodeFlags]
  const running = promisify(execFile)(process.execPath, [...flags, file, ...words.map(String)], { timeout: limitMs })
  context.track({ kill: () => void running.child.kill('SIGKILL') })
  const { stdout } = await running
  return JSON.parse(stdout) as T
}
