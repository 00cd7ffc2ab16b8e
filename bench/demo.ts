/**
 * A newcomer's first minute: `npm run demo`. Three real nodes on this machine, one of which holds a model; each is asked,
 * the engine is killed in the middle of an answer, and everything is stopped again. Exits 1 at the first surprise.
 */
import { relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually } from '../test/support/eventually.ts'
import { type Asked, ask } from './support/ask.ts'
import { NodeGroup } from './support/node-group.ts'
import { type NodeProcess, omxNode } from './support/node-process.ts'

const model = 'omx-tiny'
const file = relative(process.cwd(), fileURLToPath(new URL('../models/omx-tiny.gguf', import.meta.url)))
const names = ['kitchen', 'study', 'attic'] as const
const questions = ['What is the capital of Norway?', 'What is 7 plus 8?', 'Explain what a load balancer is.']
/** Long enough to be interrupted: about 400 tokens. */
const longQuestion = 'Count from 1 to 100.'
/** Tokens of it that are shown before its engine is killed. */
const tokensBeforeKill = 20
/** On a busy machine the whole answer may be on its way before we come to kill its engine. */
const maxKills = 3

/** The demo takes about 10 s; a machine that needs this long has another problem. */
const limitMs = 60_000
/** One thread is the fastest for so small a model. */
const startWords = ['--threads', '1', '--drain', '5s']

const interactive = process.stdout.isTTY === true
const bold = (text: string) => (interactive ? `\x1b[1m${text}\x1b[0m` : text)
const dim = (text: string) => (interactive ? `\x1b[2m${text}\x1b[0m` : text)
const say = (text: string) => process.stdout.write(`${text}\n`)
const heading = (text: string) => say(`\n${bold(text)}`)
const ms = (value: number) => `${Math.round(value)} ms`

/** Thrown when the demo cannot show what it is there to show. */
class SurpriseError extends Error {
  override readonly name = 'SurpriseError'
}

async function demo(group: NodeGroup): Promise<void> {
  const nodes = await startNodes(group)
  const attic = nodes[2] as NodeProcess
  await importModel(group, attic)
  heading('Ask each of them')
  for (const [index, node] of nodes.entries()) await askAndShow(node, questions[index] as string, nodes, index === 0)
  await killMidAnswer(nodes, attic)
  heading('The supervision tree of attic')
  say(indent(await omxNode(['inspect', '--data', attic.data])))
  await stopNodes(group)
}

async function startNodes(group: NodeGroup): Promise<NodeProcess[]> {
  heading('Start three nodes')
  const first = await group.spawn(names[0], { words: startWords }).ready()
  const words = [...startWords, '--join', first.address]
  const others = await Promise.all(names.slice(1).map((name) => group.spawn(name, { words }).ready()))
  const nodes = [first, ...others]
  await group.joined()
  for (const node of nodes) {
    const peers = (await node.peers()).map(({ name }) => name).toSorted()
    const joined = node === first ? 'the first' : `joined ${first.name}`
    say(`  ${node.name.padEnd(8)} ${node.url}  ${joined}; sees ${peers.join(' and ')}`)
  }
  return nodes
}

async function importModel(group: NodeGroup, node: NodeProcess): Promise<void> {
  heading('Give one of them a model')
  say(dim(`  $ omx-node import ${model} ${file}`))
  say(indent(await omxNode(['import', model, file, '--data', node.data])))
  await group.know(model, node)
  say(`  Every node knows now that ${node.name} holds it.`)
}

async function askAndShow(
  node: NodeProcess,
  question: string,
  nodes: readonly NodeProcess[],
  isFirst = false,
): Promise<void> {
  say(`\n  ${bold(node.name)} is asked: ${question}`)
  const asked = await ask(node.url, model, question, showToken())
  if (asked.error !== undefined) throw new SurpriseError(`${node.name} answered an error: ${asked.error}`)
  if (asked.text.trim() === '') throw new SurpriseError(`${node.name} answered nothing`)
  const { firstTokenMs, totalMs, tokens } = asked
  const loading = isFirst ? ' (the model was loaded for it)' : ''
  const took = `first token after ${ms(firstTokenMs)}${loading}, all ${tokens} after ${ms(totalMs)}`
  say(`\n  ${dim(`${workerOf(asked, nodes).name} worked; ${took}`)}`)
}

async function killMidAnswer(nodes: readonly NodeProcess[], worker: NodeProcess): Promise<void> {
  heading('Kill the engine in the middle of an answer')
  const entry = nodes[0] as NodeProcess
  const { error, child, killedMs } = await interruptedAnswer(entry, worker)
  say(`\n  ${dim(`killed process ${child}, the engine of ${worker.name}; the client's last line is`)}`)
  say(`  ${JSON.stringify({ error })}`)

  const engine = await eventually(`the supervisor of ${worker.name} restarts the engine`, async () => {
    const actor = await worker.engine()
    return actor !== undefined && actor.restarts > 0 && actor.state.startsWith('ready') && actor
  })
  const restartMs = performance.now() - killedMs
  say(`\n  ${dim(`Its supervisor had a new one ready ${ms(restartMs)} after the kill; omx-node inspect says:`)}`)
  say(`  ${shortPath(engine.path)}  ${engine.state}, last exit: ${engine.lastExit}`)
  await askAndShow(entry, 'Who are you?', nodes)
}

/** An answer that ends with an error because its engine was killed under it. */
async function interruptedAnswer(entry: NodeProcess, worker: NodeProcess) {
  for (let tries = 0; tries < maxKills; tries++) {
    const child = await eventually(`${worker.name} has an engine process`, () => worker.engineChild())
    say(`\n  ${bold(entry.name)} is asked: ${longQuestion}`)
    const show = showToken()
    let tokens = 0
    let killedMs = 0
    const { error } = await ask(entry.url, model, longQuestion, (text) => {
      show(text)
      if (++tokens !== tokensBeforeKill) return
      process.kill(child, 'SIGKILL')
      killedMs = performance.now()
    })
    if (error !== undefined) return { error, child, killedMs }
    say(dim('\n  The answer was complete before the kill: once more.'))
  }
  throw new SurpriseError(`${maxKills} answers were complete although their engine was killed under them`)
}

async function stopNodes(group: NodeGroup): Promise<void> {
  heading('Stop them')
  const codes = await group.stop()
  for (const [name, code] of codes) if (code !== 0) throw new SurpriseError(`${name} exited with ${code}`)
  say(`  ${[...codes.keys()].join(', ')} drained and exited with 0.`)
}

function workerOf(asked: Asked, nodes: readonly NodeProcess[]): NodeProcess {
  const worker = nodes.find(({ id }) => id === asked.worker)
  if (worker === undefined) throw new SurpriseError(`the answer names ${asked.worker ?? 'nobody'} as its worker`)
  return worker
}

/** Prints tokens as they arrive, a little apart from the margin. */
function showToken(): (text: string) => void {
  let isFirst = true
  return (text) => {
    process.stdout.write((isFirst ? `  ${text.trimStart()}` : text).replaceAll('\n', '\n  '))
    isFirst = false
  }
}

const indent = (text: string) => text.trimEnd().replace(/^/gm, '  ')
/** A digest is longer than what it adds. */
const shortPath = (path: string) => path.replace(/[0-9a-f]{52}$/, '…')

async function main(): Promise<number> {
  const startMs = performance.now()
  const group = new NodeGroup()
  process.once('exit', () => group.kill())
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('interrupted'))
  })
  const tooLate = pause(limitMs, undefined, { ref: false }).then(() => {
    throw new SurpriseError(`not done within ${limitMs / 1000} s`)
  })
  try {
    if ((await Promise.race([demo(group), interrupted, tooLate])) === 'interrupted') {
      say('\nInterrupted; stopping the nodes.')
      await group.stop()
      return 130
    }
    say(`\nDone in ${((performance.now() - startMs) / 1000).toFixed(1)} s. Your own: npm run omx-node -- start`)
    return 0
  } catch (error) {
    process.stderr.write(`\nThe demo failed: ${(error as Error).message}\n${group.logs()}`)
    return 1
  }
}

process.exit(await main())
