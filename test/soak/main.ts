/**
 * `npm run soak -- NAME [MINUTES]`: minutes of real time with real processes, too long for `npm test`. Exits with 0 when what
 * the run is about held, else with 1 and the reason.
 */
import { accusation } from './accusation.ts'
import { leak, overload, plateau } from './overload.ts'
import type { Soak } from './soak.ts'

const soaks: Readonly<Record<string, Soak>> = { accusation, overload, plateau, leak }

/** A run needs a beginning, a middle and an end. */
const minMinutes = 3
const maxMinutes = 24 * 60

const [name = '', minutesText] = process.argv.slice(2)
const soak = soaks[name]
const minutes = Number(minutesText ?? soak?.minutes)
if (soak === undefined || !Number.isInteger(minutes) || minutes < minMinutes || minutes > maxMinutes) {
  const names = Object.keys(soaks).join(', ')
  process.stderr.write(`expected one of ${names}, and if you like minutes from ${minMinutes} to ${maxMinutes}\n`)
  process.exit(2)
}
process.once('exit', () => soak.kill())
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
try {
  await soak.run(minutes, (line) => process.stdout.write(`${line}\n`))
  process.exit(0)
} catch (error) {
  process.stderr.write(`${name} failed: ${(error as Error).stack}\n`)
  process.exit(1)
}
