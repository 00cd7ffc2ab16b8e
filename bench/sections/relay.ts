/** How fast tokens pass, and what each costs the processes on its way. */
import { type Arm, mockArms, nodeArms, simModel } from '../support/arms.ts'
import type { BenchContext } from '../support/context.ts'
import type { Load, LoadResult } from '../support/load.ts'
import { cpuMsOf } from '../support/processes.ts'
import { byRound, Table } from '../support/samples.ts'
import type { Section, SectionResult, Verdict } from '../support/section.ts'
import { Worker } from '../support/worker.ts'

const streams = 32
/** Of each stream at full speed, and at a steady one. */
const fastTokens = 4000
const steadyTokens = 200
const steadyTokensPerSecond = 100
/** An engine that answers in bursts: what the sim engine has ready when it is asked for more. */
const burstTokens = 64

const fastColumns = ['tokens/s', 'CPU µs/token, entry', 'CPU µs/token, worker'] as const
const steadyColumns = ['CPU µs/token, entry', 'CPU µs/token, worker'] as const

export const relay: Section = {
  name: 'relay',
  title: 'Tokens relayed',
  method: `${streams} streams of \`POST /api/generate\` at once, one line of JSON per token. At full speed each stream has ${fastTokens} tokens; the mock engine writes
every token by itself, as Ollama does, or ${burstTokens} at a time, as the sim engine has them ready. At a steady speed each stream has
${steadyTokens} tokens, ${steadyTokensPerSecond} a second, so that every token travels alone. CPU is that of the process the client is connected to (proxy or entry node)
and, over one hop, of the node that computes.`,
  run,
}

interface Race {
  readonly arms: readonly Arm[]
  readonly tokens: number
  readonly table: Table
}

async function run(context: BenchContext): Promise<SectionResult> {
  const load = context.track(new Worker(new URL('../workers/load.ts', import.meta.url)))
  const fast = { tokensPerSecond: 0 }
  const steady = { tokensPerSecond: steadyTokensPerSecond }
  const single = await mockArms(context, fast)
  const burst = await mockArms(context, fast, burstTokens)
  const steadyMock = await mockArms(context, steady)
  const [nodes, steadyNodes] = await Promise.all([nodeArms(context, fast), nodeArms(context, steady)])
  const fastRace: Race = {
    arms: [single.direct, single.proxied, burst.direct, burst.proxied, nodes.local, nodes.hop],
    tokens: context.smoke ? fastTokens / 8 : fastTokens,
    table: new Table(fastColumns),
  }
  const steadyRace: Race = {
    arms: [steadyMock.proxied, steadyNodes.local, steadyNodes.hop],
    tokens: context.smoke ? steadyTokens / 8 : steadyTokens,
    table: new Table(steadyColumns),
  }
  for (const { arms, tokens } of context.smoke ? [] : [fastRace, steadyRace]) {
    for (const arm of arms) await measure(load, arm, tokens) // Until the compiler has seen the hot paths.
  }
  for (let round = 0; round < context.rounds; round++) {
    for (const { arms, tokens, table } of [fastRace, steadyRace]) {
      for (const arm of arms) table.add(arm.name, await measure(load, arm, tokens))
    }
  }
  return {
    tables: [
      { title: 'At full speed', table: fastRace.table },
      { title: `At ${steadyTokensPerSecond} tokens/s each`, table: steadyRace.table },
    ],
    notes: [
      'A proxy behind an engine that writes in bursts copies ready lines; a node composes every line from a frame, and over a hop encodes and checks that frame too.',
    ],
    verdicts: [
      ...speedVerdicts(fastRace.table, single.proxied, burst.proxied, [nodes.local, nodes.hop]),
      ...costVerdicts(steadyRace.table, steadyMock.proxied, steadyNodes.hop),
    ],
  }
}

async function measure(load: Worker, { port, processes }: Arm, tokens: number) {
  const body = {
    model: simModel,
    prompt: 'what does the lamp say',
    raw: true,
    options: { num_predict: tokens, temperature: 0 },
    stream: true,
  }
  const before = Object.values(processes).map(cpuMsOf)
  const work: Load = { port, path: '/api/generate', body, lines: tokens + 1, connections: streams, requests: streams }
  const { count, elapsedMs } = await load.ask<LoadResult>(work)
  const relayed = count * tokens
  const [entry, worker] = Object.values(processes).map((pid, index) => {
    const afterMs = cpuMsOf(pid)
    const beforeMs = before[index]
    return afterMs === undefined || beforeMs === undefined ? undefined : ((afterMs - beforeMs) * 1000) / relayed
  })
  return {
    'tokens/s': (relayed / elapsedMs) * 1000,
    'CPU µs/token, entry': entry,
    'CPU µs/token, worker': worker,
  } satisfies Record<(typeof fastColumns)[number], number | undefined>
}

function speedVerdicts(table: Table, proxy: Arm, burstProxy: Arm, arms: readonly Arm[]): Verdict[] {
  const rate = ({ name }: Arm) => table.values(name, 'tokens/s')
  return arms.flatMap((arm) =>
    [proxy, burstProxy].map((other) => {
      const measured = byRound([rate(arm), rate(other)], (own, theirs) => own / theirs)
      return {
        what: `tokens/s at ${streams} streams, ${arm.name}, against ${other.name}`,
        target: '≥ 0.8 × a bare Node proxy',
        measured,
        unit: '×',
        met: measured.median >= 0.8,
      }
    }),
  )
}

function costVerdicts(table: Table, proxy: Arm, hop: Arm): Verdict[] {
  const proxyCost = table.values(proxy.name, 'CPU µs/token, entry')
  return (['entry', 'worker'] as const).map((role) => {
    const measured = byRound(
      [table.values(hop.name, `CPU µs/token, ${role}`), proxyCost],
      (own, theirs) => own / theirs,
    )
    return {
      what: `CPU per token of the ${role} over one hop, steady`,
      target: '≤ 2 × a bare Node proxy',
      measured,
      unit: '×',
      met: measured.median <= 2,
    }
  })
}
