/** What a node adds to a request that costs nothing: latency alone, requests per second in a crowd, CPU per request. */
import { type Arm, mockArms, nginxArm, nodeArms, simModel } from '../support/arms.ts'
import type { BenchContext } from '../support/context.ts'
import type { Load, LoadResult } from '../support/load.ts'
import { cpuMsOf } from '../support/processes.ts'
import { byRound, Table } from '../support/samples.ts'
import type { Section, SectionResult, Verdict } from '../support/section.ts'
import { Worker } from '../support/worker.ts'

const crowd = 64
const aloneMs = 1000
const crowdMs = 1500
/** Until the compiler has seen the hot paths. */
const warmUpMs = 6000
const answerTokens = 8

const columns = [
  'p50 alone, µs',
  'p99 alone, µs',
  `requests/s at ${crowd}`,
  `p99 at ${crowd}, ms`,
  'CPU µs/request',
] as const

const work: Pick<Load, 'path' | 'body' | 'lines'> = {
  path: '/api/generate',
  body: {
    model: simModel,
    prompt: 'what does the lamp say',
    stream: false,
    options: { num_predict: answerTokens, temperature: 0 },
  },
  lines: 0,
}

export const entryOverhead: Section = {
  name: 'entry',
  title: 'Entry overhead',
  method: `\`POST /api/generate\`, not streamed, ${answerTokens} tokens, over keep-alive connections: one connection (alone), then ${crowd}. The mock
engine is a bare Node HTTP server with a fixed answer; the bare proxy is Node's own http module on both sides; \`omx-node\` computes with
its sim engine, which takes no time. CPU is that of the process that the client is connected to, at ${crowd} connections.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const { direct, proxied } = await mockArms(context, { tokensPerSecond: 0 })
  const nginx = await nginxArm(context, direct.port)
  const { local, hop } = await nodeArms(context, { tokensPerSecond: 0 })
  const arms = [direct, proxied, ...(nginx === undefined ? [] : [nginx]), local, hop]
  const load = context.track(new Worker(new URL('../workers/load.ts', import.meta.url)))
  const table = new Table(columns)
  for (const { port } of arms)
    await load.ask({ ...work, port, connections: crowd, durationMs: context.loadMs(warmUpMs) })
  for (let round = 0; round < context.rounds; round++) {
    for (const arm of arms) table.add(arm.name, await measure(context, load, arm))
  }
  return {
    tables: [{ title: 'By way to the answer', table }],
    verdicts: verdicts(table, { direct, proxied, local, hop }),
    ...(nginx === undefined ? { notes: ['nginx is not installed on this machine: not measured.'] } : {}),
  }
}

async function measure(context: BenchContext, load: Worker, { port, processes }: Arm) {
  const pid = Object.values(processes)[0]
  const alone = { ...work, port, connections: 1, durationMs: context.loadMs(aloneMs) } satisfies Load
  const { p50Us, p99Us } = await load.ask<LoadResult>(alone)
  const beforeMs = pid === undefined ? undefined : cpuMsOf(pid)
  const crowded = { ...work, port, connections: crowd, durationMs: context.loadMs(crowdMs) } satisfies Load
  const result = await load.ask<LoadResult>(crowded)
  const afterMs = pid === undefined ? undefined : cpuMsOf(pid)
  const usedMs = beforeMs === undefined || afterMs === undefined ? undefined : afterMs - beforeMs
  const measured: Record<(typeof columns)[number], number | undefined> = {
    'p50 alone, µs': p50Us,
    'p99 alone, µs': p99Us,
    'requests/s at 64': (result.count / result.elapsedMs) * 1000,
    'p99 at 64, ms': result.p99Us / 1000,
    'CPU µs/request': usedMs === undefined ? undefined : (usedMs * 1000) / result.count,
  }
  return measured
}

type Judged = Readonly<Record<'direct' | 'proxied' | 'local' | 'hop', Arm>>

/** Round by round, then the median: what is compared ran within the same seconds. */
function verdicts(table: Table, { direct, proxied, local, hop }: Judged): Verdict[] {
  const p50 = ({ name }: Arm) => table.values(name, columns[0])
  const rate = ({ name }: Arm) => table.values(name, columns[2])
  const added = (arm: Arm) =>
    byRound([p50(arm), p50(proxied), p50(direct)], (own, proxy, base) => (own - base) / (proxy - base))
  const share = (arm: Arm) => byRound([rate(arm), rate(proxied)], (own, proxy) => own / proxy)
  return [local, hop].flatMap((arm) => [
    {
      what: `added p50 latency, ${arm.name}`,
      target: '≤ 2 × what a bare Node proxy adds',
      measured: added(arm),
      unit: '×',
      met: added(arm).median <= 2,
    },
    {
      what: `requests/s at ${crowd} connections, ${arm.name}`,
      target: '≥ 0.5 × a bare Node proxy, stretch 0.7',
      measured: share(arm),
      unit: '×',
      met: share(arm).median >= 0.5,
    },
  ])
}
