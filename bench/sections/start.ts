/** How long a node takes to be there, to be one of several, and what it weighs while it has nothing to do. */
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { BenchContext } from '../support/context.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { residentBytesOf } from '../support/processes.ts'
import { Samples, Table } from '../support/samples.ts'
import type { Section, SectionResult, Verdict } from '../support/section.ts'

/** After it is ready: what a start leaves behind has been collected. */
const idleMs = 5000

const columns = ['ready line, ms', 'first answer, ms', 'joined, ms', 'idle memory, MB'] as const

export const start: Section = {
  name: 'start',
  title: 'Start, join, idle',
  method: `From the start of the process, \`--engine llama\` with no model loaded: until the ready line, until the first answer of the API, and for a second node until
both see each other healthy. Memory is the resident set of the first node ${idleMs / 1000} s after that, with one peer.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const table = new Table(columns)
  for (let round = 0; round < context.rounds; round++) {
    const group = context.newGroup()
    const first = await started(group.spawn('first'), table)
    const second = group.spawn('second', { words: ['--join', first.address] })
    await second.ready()
    await Promise.all([seesOther(first), seesOther(second)])
    table.add('a node', { 'joined, ms': performance.now() - second.startedMs })
    await pause(context.loadMs(idleMs))
    const bytes = residentBytesOf(first.pid)
    table.add('a node', { 'idle memory, MB': bytes === undefined ? undefined : bytes / 1e6 })
    await group.stop()
  }
  const judged = (column: (typeof columns)[number], most: number, unit: string): Verdict => {
    const measured = new Samples()
    for (const value of table.values('a node', column)) measured.add(value)
    const what = column.replace(/,.*/, '')
    return { what: `${what} of a node`, target: `≤ ${most} ${unit}`, measured, unit, met: measured.median <= most }
  }
  return {
    tables: [{ title: 'From the start of the process', table }],
    verdicts: [
      judged('ready line, ms', 1500, 'ms'),
      judged('joined, ms', 3000, 'ms'),
      judged('idle memory, MB', 120, 'MB'),
    ],
  }
}

async function started(node: NodeProcess, table: Table): Promise<NodeProcess> {
  await node.ready()
  const readyMs = performance.now() - node.startedMs
  const answer = await fetch(`${node.url}/api/version`)
  await answer.text()
  table.add('a node', { 'ready line, ms': readyMs, 'first answer, ms': performance.now() - node.startedMs })
  return node
}

function seesOther(node: NodeProcess): Promise<unknown> {
  return eventually(`${node.name} sees the other healthy`, async () =>
    (await node.peers()).some(({ state }) => state === 'healthy'),
  )
}
