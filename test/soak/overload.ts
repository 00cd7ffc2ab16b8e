/**
 * Four times as much as a cluster can compute, for minutes: an entry node, a worker, clients that wait for their answers and
 * clients that do not. Memory of both nodes stays flat, every answer is a right one, and afterwards they serve as before.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { tinyGguf } from '../../bench/support/context.ts'
import { NodeGroup } from '../../bench/support/node-group.ts'
import { type NodeProcess, omxNode } from '../../bench/support/node-process.ts'
import { eventually } from '../support/eventually.ts'
import { demandFlat, demandPlateau, Memory, smallSpaces } from './memory.ts'
import type { Print, Soak } from './soak.ts'

const slots = 4
const tokensPerSecond = 200
const tokens = 20
/** What the worker can compute: 40 a second. */
const capacityPerSecond = (slots * tokensPerSecond) / tokens
/** Three times the capacity comes whether or not it is answered; the rest asks again as soon as it has its answer. */
const openPerSecond = 3 * capacityPerSecond
const closedClients = 2 * slots
/** After a refusal a client that waits for its answers asks again this much later. */
const retryMs = 100
const maxQueue = 32
/** Requests that are under way at once: far more than wait and run, so reaching it is a failure. */
const maxUnderWay = 2_000

const sampleMs = 1_000
const minuteMs = 60_000
const recoveredWithinMs = 5_000

const busyBody = '{"error":"server busy, please try again.  maximum pending requests exceeded"}'
const body = JSON.stringify({ model: 'tiny', prompt: 'x', options: { num_predict: tokens } })

const group = new NodeGroup()

class Load {
  served = 0
  refused = 0
  /** The first answer that was neither. */
  wrong: Error | undefined
  #underWay = 0
  readonly #url: string
  readonly #untilMs: number

  constructor(url: string, untilMs: number) {
    this.#url = url
    this.#untilMs = untilMs
  }

  async run(): Promise<void> {
    await Promise.all([this.#open(), ...Array.from({ length: closedClients }, () => this.#closed())])
    await eventually('the last answers have come', () => this.#underWay === 0)
  }

  get #isOver(): boolean {
    return performance.now() >= this.#untilMs || this.wrong !== undefined
  }

  async #open(): Promise<void> {
    const startMs = performance.now()
    for (let sent = 0; !this.#isOver; sent++) {
      await pause(Math.max(0, startMs + (sent * 1000) / openPerSecond - performance.now()))
      if (this.#underWay >= maxUnderWay) this.wrong ??= new Error(`${maxUnderWay} requests are not answered`)
      else void this.#ask()
    }
  }

  async #closed(): Promise<void> {
    while (!this.#isOver) if ((await this.#ask()) !== 200) await pause(retryMs)
  }

  async #ask(): Promise<number> {
    this.#underWay++
    try {
      const { status, text } = await ask(this.#url)
      if (status === 200) this.served++
      else this.refused++
      if (!isRight(status, text)) this.wrong ??= new Error(`a wrong answer: ${status} ${text.slice(-200)}`)
      return status
    } catch (error) {
      this.wrong ??= error as Error
      return 0
    } finally {
      this.#underWay--
    }
  }
}

async function ask(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${url}/api/generate`, { method: 'POST', body })
  return { status: response.status, text: await response.text() }
}

function isRight(status: number, text: string): boolean {
  if (status === 503) return text === busyBody
  return status === 200 && text.includes(`"eval_count":${tokens}`) && text.trimEnd().split('\n').length === tokens + 1
}

/** The entry node, to which the clients speak, and the one that has the model. */
async function start({ nodeFlags, entryFlags }: Overload): Promise<readonly [NodeProcess, NodeProcess]> {
  const words = ['--engine', 'sim', '--sim-tokens-per-second', String(tokensPerSecond), '--slots', String(slots)]
  const queue = ['--max-queue', String(maxQueue)]
  const entry = group.spawn('entry', { nodeFlags: [...nodeFlags, ...entryFlags], words: [...words, ...queue] })
  await entry.ready()
  const worker = await group.spawn('worker', { nodeFlags, words: [...words, '--join', entry.address] }).ready()
  await group.joined()
  await omxNode(['import', 'tiny', tinyGguf, '--data', worker.data])
  await group.know('tiny', worker)
  return [entry, worker]
}

/** From the end of the load until the entry node has nothing left to do and answers as before. */
async function recovery(entry: NodeProcess): Promise<number> {
  const startMs = performance.now()
  await eventually('it serves again', async () => (await ask(entry.url)).status === 200, recoveredWithinMs)
  return performance.now() - startMs
}

interface Overload {
  readonly nodeFlags: readonly string[]
  readonly entryFlags: readonly string[]
  /** Throws where the medians of the minutes say that memory grows. */
  readonly judge: (name: string, medians: readonly number[]) => void
}

async function run(overload: Overload, minutes: number, print: Print): Promise<void> {
  const nodes = await start(overload)
  const [entry] = nodes
  const memories = nodes.map(({ name, pid }) => new Memory(name, pid, minuteMs))
  const startMs = performance.now()
  const load = new Load(entry.url, startMs + minutes * minuteMs)
  const sampling = setInterval(() => {
    for (const memory of memories) memory.sample(performance.now() - startMs)
  }, sampleMs)
  await load.run().finally(() => clearInterval(sampling))
  if (load.wrong !== undefined) throw new Error(`${load.wrong.message}\n${group.logs()}`)
  const recoveredMs = await recovery(entry)
  const perSecond = (count: number) => (count / minutes / 60).toFixed(1)
  print(`served ${load.served} (${perSecond(load.served)}/s), refused ${load.refused} (${perSecond(load.refused)}/s)`)
  print(`served again ${Math.round(recoveredMs)} ms after the load`)
  if (load.served === 0 || load.refused === 0) throw new Error('that was no overload')
  const medians = memories.map((memory) => [memory.name, memory.medians(minutes)] as const)
  for (const [name, each] of medians) {
    print(`${name}: MB resident, median of each minute: ${each.map((mb) => mb.toFixed(0)).join(' ')}`)
  }
  for (const [name, each] of medians) overload.judge(name, each)
  for (const [name, code] of await group.stop()) if (code !== 0) throw new Error(`${name} ended with ${code}`)
}

const kill = (): void => group.kill()
const small: Overload = { nodeFlags: smallSpaces, entryFlags: [], judge: demandFlat }
const large: Overload = { nodeFlags: [], entryFlags: [], judge: demandPlateau }
const leaky: Overload = { ...small, entryFlags: ['--import', new URL('leak.ts', import.meta.url).href] }

export const overload: Soak = { minutes: 5, run: (minutes, print) => run(small, minutes, print), kill }

/** With V8's defaults, as users run it: memory rises to a plateau, and stays. */
export const plateau: Soak = { minutes: 15, run: (minutes, print) => run(large, minutes, print), kill }

/** The test of the test: an entry node that leaks is found out. */
export const leak: Soak = {
  minutes: 5,
  run: async (minutes, print) => {
    const failure = await run(leaky, minutes, print).then(
      () => 'nothing',
      (error: Error) => error.message,
    )
    print(`found: ${failure}`)
    if (!failure.startsWith('entry grew')) throw new Error('the leak was not found')
  },
  kill,
}
