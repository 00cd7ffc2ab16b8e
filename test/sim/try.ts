import fc from 'fast-check'
import { scripts } from './script.ts'
import { simulate } from './simulate.ts'
const from = Number(process.argv[2] ?? 1), to = Number(process.argv[3] ?? 20)
process.on('uncaughtException', (e) => { console.log('UNCAUGHT', e); process.exit(1) })
const totals = new Map<string, number>()
const t0 = performance.now()
let ms = 0
for (let seed = from; seed <= to; seed++) {
  const [script] = fc.sample(scripts, { seed, numRuns: 1 })
  const r = await simulate({ seed, script: script! })
  ms += r.virtualMs
  for (const [k, n] of r.sometimes) totals.set(k, (totals.get(k) ?? 0) + n)
  for (const v of r.violations.slice(0, 2)) console.log(seed, script!.length, v.checker, v.atMs.toFixed(0), v.message.slice(0, 300))
}
console.log(totals)
console.log('runs/s', ((to - from + 1) / (performance.now() - t0) * 1000).toFixed(2), 'virtual s per run', ms / 1000 / (to - from + 1))
