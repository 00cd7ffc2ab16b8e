/**
 * Four times as much as a cluster can compute, for minutes: an entry node, a worker, clients that wait for their answers and
 * clients that do not. Memory of both nodes stays flat, every answer is a right one, and afterwards they serve as before.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { tinyGguf } from '../../bench/support/context.ts'
import { NodeGroup } from '../../bench/support/node-group.ts'
import { type NodeProcess, omxNode } from '../../bench/support/node-process.ts'
import { eventually } from '../support/eventually.ts'
import type { Soak } from './soak.ts'

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
/** The last minute's memory against the second minute's. */
const maxGrowth = 1.1
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

/** Resident memory in MB. Linux: read from /proc. */
function residentMb({ pid }: NodeProcess): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1024
}

class Memory {
  readonly node: NodeProcess
  readonly #samples: Array<{ readonly atMs: number; readonly mb: number }> = []

  constructor(node: NodeProcess) {
    this.node = node
  }

  sample(atMs: number): void {
    this.#samples.push({ atMs, mb: residentMb(this.node) })
  }

  medianMb(minute: number): number {
    const within = this.#samples.filter(({ atMs }) => Math.floor(atMs / minuteMs) === minute)
    return within.map(({ mb }) => mb).toSorted((a, b) => a - b)[Math.floor(within.length / 2)] ?? Number.NaN
  }
}

/**
 * V8 lets its young generation and the spaces around it grow for as long as memory is plentiful, to hundreds of megabytes for
 * a live heap of 40. Small spaces make what the process holds show in what is resident.
 */
const nodeFlags = ['--max-semi-space-size=8', '--optimize-for-size']

async function start(): Promise<readonly [NodeProcess, NodeProcess]> {
  const words = ['--engine', 'sim', '--sim-tokens-per-second', String(tokensPerSecond), '--slots', String(slots)]
  const entry = await group.spawn('entry', { nodeFlags, words: [...words, '--max-queue', String(maxQueue)] }).ready()
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

async function run(minutes: number, print: (line: string) => void): Promise<void> {
  const [entry, worker] = await start()
  const memories = [new Memory(entry), new Memory(worker)]
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
  for (const memory of memories) checkFlat(memory, minutes, print)
  for (const [name, code] of await group.stop()) if (code !== 0) throw new Error(`${name} ended with ${code}`)
}

function checkFlat(memory: Memory, minutes: number, print: (line: string) => void): void {
  const medians = Array.from({ length: minutes }, (_, minute) => memory.medianMb(minute))
  const { name } = memory.node
  print(`${name}: MB resident, median of each minute: ${medians.map((mb) => mb.toFixed(0)).join(' ')}`)
  const second = medians[1] as number
  const last = medians.at(-1) as number
  if (!(last <= second * maxGrowth)) throw new Error(`${name} grew from ${second.toFixed(0)} to ${last.toFixed(0)} MB`)
}

export const overload: Soak = { minutes: 5, run, kill: () => group.kill() }
