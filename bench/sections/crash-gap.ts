/** How long a client looks at a frozen answer when the one who computed it is killed. */

import { eventually } from '../../test/support/eventually.ts'
import { simModel } from '../support/arms.ts'
import { ask } from '../support/ask.ts'
import { type BenchContext, tinyGguf } from '../support/context.ts'
import type { NodeGroup } from '../support/node-group.ts'
import { type NodeProcess, omxNode } from '../support/node-process.ts'
import { quantile, Samples, Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

const killsPerRound = 3
/** Of an answer, before its worker is killed. */
const tokensBeforeKill = 20
/** So slow that no answer ends before the kill. */
const simTokensPerSecond = 50
/** An answer that is complete before the kill arrives proves nothing: it is asked again. */
const maxTries = 5

const columns = ['p50, ms', 'p99, ms'] as const
const targetMs = 300

export const crashGap: Section = {
  name: 'crash',
  title: 'Crash gap',
  method: `A client streams from an entry node; another node computes. From SIGKILL in the middle of the answer until the client has the error line, ${killsPerRound} times a round.
Killed is the worker node (sim engine), or the engine's child of a worker that lives on (\`llama\`). Rows are over all kills; of so few, p99 is the longest.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const node = new Samples()
  const engine = new Samples()
  const models = await context.simModels()
  const group = context.newGroup()
  const entry = await group.spawn('entry', { words: ['--engine', 'sim'] }).ready()
  for (let round = 0; round < context.rounds; round++) {
    // An engine that is killed again and again is restarted ever later: each round has one that nobody has killed yet.
    const withLlama = await engineGroup(context)
    for (let kill = 0; kill < (context.smoke ? 1 : killsPerRound); kill++) {
      node.add(await killedNode(context, entry, models))
      engine.add(await killedEngine(withLlama))
    }
    await withLlama.group.stop()
  }
  const table = new Table(columns)
  for (const [name, { values }] of [
    ['worker node', node],
    ['engine child', engine],
  ] as const) {
    table.add(`${name}, ${values.length} kills`, {
      'p50, ms': quantile(values, 0.5),
      'p99, ms': quantile(values, 0.99),
    })
  }
  return {
    tables: [{ title: 'From SIGKILL to the error line', table }],
    verdicts: [node, engine].map((measured, index) => ({
      what: `crash gap, ${index === 0 ? 'worker node' : 'engine child'}, p99 (shown: median and spread)`,
      target: `≤ ${targetMs} ms`,
      measured,
      unit: 'ms',
      met: quantile(measured.values, 0.99) <= targetMs,
    })),
  }
}

async function killedNode(context: BenchContext, entry: NodeProcess, models: string): Promise<number> {
  const group = context.newGroup()
  const speed = ['--engine', 'sim', '--sim-tokens-per-second', `${simTokensPerSecond}`]
  const worker = group.spawn('worker', { words: [...speed, '--models', models, '--join', entry.address] })
  await worker.ready()
  await eventually('the entry node knows the new holder', async () => {
    const row = (await entry.models()).find(({ name }) => name === `${simModel}:latest`)
    return row?.holders.some(({ node }) => node === worker.id)
  })
  const gapMs = await gapOf(entry, simModel, () => worker.kill())
  await group.stop()
  if (gapMs === undefined) throw new Error('an answer was complete although its node was killed')
  return gapMs
}

interface EngineGroup {
  readonly group: NodeGroup
  readonly entry: NodeProcess
  readonly worker: NodeProcess
}

async function engineGroup(context: BenchContext): Promise<EngineGroup> {
  const group = context.newGroup()
  const worker = await group.spawn('worker', { words: ['--threads', '1'] }).ready()
  await omxNode(['import', simModel, tinyGguf, '--data', worker.data])
  const entry = await group.spawn('entry', { words: ['--join', worker.address] }).ready()
  await group.know(simModel, worker)
  await ask(entry.url, simModel, 'Hello!', () => {})
  return { group, entry, worker }
}

async function killedEngine({ entry, worker }: EngineGroup): Promise<number> {
  for (let tries = 0; tries < maxTries; tries++) {
    await eventually('the engine is ready', async () => (await worker.engine())?.state.startsWith('ready'))
    const child = await eventually('the engine has a process', () => worker.engineChild())
    const gapMs = await gapOf(entry, simModel, () => process.kill(child, 'SIGKILL'))
    if (gapMs !== undefined) return gapMs
  }
  throw new Error(`${maxTries} answers were complete before their engine was killed`)
}

/** Undefined: the answer was complete all the same. */
async function gapOf(entry: NodeProcess, model: string, kill: () => void): Promise<number | undefined> {
  let tokens = 0
  let killedMs = Number.NaN
  const question = 'Count from 1 to 100.'
  const { error } = await ask(entry.url, model, question, () => {
    if (++tokens !== tokensBeforeKill) return
    killedMs = performance.now()
    kill()
  })
  return error === undefined ? undefined : performance.now() - killedMs
}
