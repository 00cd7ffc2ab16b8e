/** Gives back what starting took: parsed sources and the like are a third of a young process and of no use to it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** By then the first connections and reports are through, and V8 would not collect by itself for minutes. */
const settledMs = 1500

/** Collects once, some 40 ms, and never again: what comes later is V8's to judge. */
export function releaseStartupGarbage(): void {
  const timer = setTimeout(() => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (options: object) => void
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  }, settledMs)
  timer.unref()
}
