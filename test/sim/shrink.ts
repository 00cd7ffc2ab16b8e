/** From a seed to its script, and from a script that fails to a smaller one that fails in the same way. */
import fc from 'fast-check'
import { type Script, scripts } from './script.ts'
import { type RunInit, type RunResult, simulate } from './simulate.ts'

/** How long a failing script is made smaller, in real time. */
const shrinkMs = 60_000

export function scriptOf(seed: number): Script {
  return fc.sample(scripts, { seed, numRuns: 1 })[0] as Script
}

export interface Shrunk {
  readonly script: Script
  readonly result: RunResult
}

/** The smallest script that fast-check finds for which the checker still complains. */
export async function shrink(init: RunInit, checker: string): Promise<Shrunk> {
  let best: Shrunk = { script: init.script, result: await simulate(init) }
  const fails = async (script: Script): Promise<boolean> => {
    const result = await simulate({ ...init, script })
    const failed = result.violations.some((violation) => violation.checker === checker)
    if (failed && size(script) <= size(best.script)) best = { script, result }
    return failed
  }
  const property = fc.asyncProperty(scripts, async (script) => !(await fails(script)))
  await fc.check(property, { seed: init.seed, numRuns: 1, interruptAfterTimeLimit: shrinkMs })
  return best
}

const size = (script: Script): number => JSON.stringify(script).length
