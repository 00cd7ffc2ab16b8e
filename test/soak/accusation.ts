/**
 * Eight real nodes on this machine while every core is busy and the engines compute. Nobody may be called unreachable, for
 * all of them live.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ask } from '../../bench/support/ask.ts'
import { NodeGroup } from '../../bench/support/node-group.ts'
import { type NodeProcess, omxNode } from '../../bench/support/node-process.ts'
import type { Soak } from './soak.ts'

const model = 'omx-tiny'
const file = fileURLToPath(new URL('../../models/omx-tiny.gguf', import.meta.url))
const nodeCount = 8
/** An unreachable peer is not redialled sooner, so that none is missed. */
const pollMs = 250

const group = new NodeGroup()
const busy: ChildProcess[] = []

interface Seen {
  polls: number
  suspected: number
  /** Who called whom unreachable, and why. */
  readonly accused: Set<string>
}

async function start(): Promise<NodeProcess[]> {
  const words = ['--threads', '1', '--drain', '1s']
  const first = await group.spawn('n0', { words }).ready()
  const nodes = [first]
  for (let index = 1; index < nodeCount; index++) {
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

async function run(minutes: number, print: (line: string) => void): Promise<void> {
  const nodes = await start()
  for (let core = 0; core < availableParallelism(); core++) {
    busy.push(spawn(process.execPath, ['--eval', 'for (;;) {}'], { stdio: 'ignore' }))
  }
  print(`${nodeCount} nodes, ${busy.length} busy cores, ${minutes} minutes`)
  const untilMs = performance.now() + minutes * 60_000
  const [seen, ...answers] = await Promise.all([
    watch(nodes, untilMs),
    ...nodes.map((node) => keepAsking(node, untilMs)),
  ])
  const answered = answers.reduce((sum, each) => sum + each, 0)
  print(`${seen.polls} polls, ${answered} answers, ${seen.suspected} suspicions seen, ${seen.accused.size} accusations`)
  if (seen.accused.size > 0) throw new Error(`accused though alive: ${[...seen.accused].join('; ')}`)
  if (answered === 0) throw new Error('no request was answered: this load measured nothing')
}

function kill(): void {
  for (const child of busy) child.kill('SIGKILL')
  group.kill()
}

export const accusation: Soak = { minutes: 10, run, kill }
