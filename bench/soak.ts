/**
 * `npm run soak -- accusation [--minutes 10] [--nodes 8]`: real nodes on this machine while every core is busy and the
 * engines compute. Nobody may be called unreachable, for all of them live. Exits 1 when somebody was.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ask } from './support/ask.ts'
import { NodeGroup } from './support/node-group.ts'
import { type NodeProcess, omxNode } from './support/node-process.ts'

const model = 'omx-tiny'
const file = fileURLToPath(new URL('../models/omx-tiny.gguf', import.meta.url))
/** An unreachable peer is not redialled sooner, so that none is missed. */
const pollMs = 250
const maxMinutes = 60
const maxSoakedNodes = 32
const say = (text: string) => process.stdout.write(`${text}\n`)

interface Seen {
  polls: number
  suspected: number
  /** Who called whom unreachable, and why. */
  readonly accused: Set<string>
}

function settings(): { minutes: number; nodes: number } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { minutes: { type: 'string', default: '10' }, nodes: { type: 'string', default: '8' } },
  })
  const [minutes, nodes] = [Number(values.minutes), Number(values.nodes)]
  const isUsable = minutes > 0 && minutes <= maxMinutes && nodes >= 2 && nodes <= maxSoakedNodes
  if (positionals[0] === 'accusation' && isUsable) return { minutes, nodes }
  throw new Error(`usage: npm run soak -- accusation [--minutes 1-${maxMinutes}] [--nodes 2-${maxSoakedNodes}]`)
}

async function start(group: NodeGroup, count: number): Promise<NodeProcess[]> {
  const words = ['--threads', '1', '--drain', '1s']
  const first = await group.spawn('n0', { words }).ready()
  const nodes = [first]
  for (let index = 1; index < count; index++) {
    nodes.push(await group.spawn(`n${index}`, { words: [...words, '--join', first.address] }).ready())
  }
  await group.joined()
  for (const node of nodes.slice(0, 2)) {
    await omxNode(['import', model, file, '--data', node.data])
    await group.know(model, node)
  }
  return nodes
}

/** Asks one node again and again; an answer that fails under this load is no matter of this measurement. */
async function keepAsking(node: NodeProcess, untilMs: number): Promise<number> {
  let answers = 0
  while (performance.now() < untilMs) {
    await ask(node.url, model, 'Count from 1 to 100.', () => {}).then(
      () => answers++,
      () => pause(pollMs),
    )
  }
  return answers
}

async function watch(nodes: readonly NodeProcess[], untilMs: number): Promise<Seen> {
  const seen: Seen = { polls: 0, suspected: 0, accused: new Set() }
  while (performance.now() < untilMs) {
    await Promise.all(nodes.map((node) => poll(node, seen)))
    await pause(pollMs)
  }
  return seen
}

async function poll(node: NodeProcess, seen: Seen): Promise<void> {
  seen.polls += 1
  for (const { name, state, reason } of await node.peers()) {
    if (state === 'suspect') seen.suspected += 1
    if (state === 'unreachable') seen.accused.add(`${node.name} says of ${name}: ${reason}`)
  }
}

const { minutes, nodes: count } = settings()
const group = new NodeGroup()
const busy: ChildProcess[] = []
process.on('exit', () => {
  for (const child of busy) child.kill('SIGKILL')
  group.kill()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const nodes = await start(group, count)
for (let core = 0; core < availableParallelism(); core++) {
  busy.push(spawn(process.execPath, ['--eval', 'for (;;) {}'], { stdio: 'ignore' }))
}
say(`${count} nodes, ${busy.length} busy cores, ${minutes} minutes`)
const untilMs = performance.now() + minutes * 60_000
const [seen, ...answers] = await Promise.all([watch(nodes, untilMs), ...nodes.map((node) => keepAsking(node, untilMs))])
const answered = answers.reduce((sum, each) => sum + each, 0)
say(`${seen.polls} polls, ${answered} answers, ${seen.suspected} suspicions seen, ${seen.accused.size} accusations`)
for (const accusation of seen.accused) say(accusation)
process.exit(seen.accused.size === 0 && answered > 0 ? 0 : 1)
