/** What the actor kernel costs: `bench/runtime.ts` as it prints. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Section } from '../support/section.ts'

const file = fileURLToPath(new URL('../runtime.ts', import.meta.url))
const limitMs = 60_000

export const runtime: Section = {
  name: 'runtime',
  title: 'The actor kernel',
  method:
    'Messages, asks and actors in one process, and frames between two runtimes without a network: `node bench/runtime.ts`, with rounds of its own.',
  run: async () => {
    const words = ['--disable-warning=ExperimentalWarning', file]
    const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: limitMs })
    return { tables: [], verdicts: [], verbatim: stdout }
  },
}
