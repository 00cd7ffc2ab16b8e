/**
 * The ways to an answer that are compared, each listening on a port of its own: the same request to any of them gives
 * the same amount of answer.
 */
import type { BenchContext } from './context.ts'
import { nginxProxy } from './nginx.ts'
import type { NodeProcess } from './node-process.ts'
import { Worker } from './worker.ts'

export const simModel = 'tiny'

/** One model computes this many requests at once: every connection of a load has a slot. */
const slots = 64

const mockEngine = new URL('../workers/mock-engine.ts', import.meta.url)
const bareProxy = new URL('../workers/bare-proxy.ts', import.meta.url)

export interface Arm {
  readonly name: string
  readonly port: number
  /** Process ids between client and engine, by what they do; the mock engine is not among them. */
  readonly processes: Readonly<Record<string, number>>
}

export interface EngineSpeed {
  /** Of each stream; 0: as fast as it is taken. */
  readonly tokensPerSecond: number
}

/** A mock engine and a bare proxy before it, at this speed. */
export async function mockArms(context: BenchContext, { tokensPerSecond }: EngineSpeed, tokensPerWrite = 1) {
  const suffix = tokensPerWrite === 1 ? '' : `, ${tokensPerWrite} tokens a write`
  const engine = context.track(new Worker(mockEngine, [tokensPerSecond, tokensPerWrite]))
  const { port } = await engine.answer<{ port: number }>()
  const proxy = context.track(new Worker(bareProxy, [port]))
  const { port: proxyPort } = await proxy.answer<{ port: number }>()
  const direct: Arm = { name: `mock engine, direct${suffix}`, port, processes: {} }
  const proxied: Arm = { name: `bare Node proxy${suffix}`, port: proxyPort, processes: { proxy: proxy.pid } }
  return { direct, proxied }
}

/** nginx before the same engine; undefined where it is not installed. */
export async function nginxArm(context: BenchContext, enginePort: number): Promise<Arm | undefined> {
  const nginx = await nginxProxy(context, enginePort)
  return nginx === undefined ? undefined : { name: 'nginx', port: nginx.port, processes: { proxy: nginx.pid } }
}

/** `omx-node` with the sim engine in the same process, and an entry node before another one that has the model. */
export async function nodeArms(context: BenchContext, { tokensPerSecond }: EngineSpeed) {
  const models = await context.simModels()
  const common = [
    '--engine',
    'sim',
    '--context',
    '8192',
    '--slots',
    `${slots}`,
    '--sim-tokens-per-second',
    `${tokensPerSecond}`,
  ]
  const alone = context.newGroup()
  const local = alone.spawn('local', { words: [...common, '--models', models], ...context.profiled('local') })
  const group = context.newGroup()
  const computing = { words: [...common, '--models', models], ...context.profiled('worker') }
  const worker = await group.spawn('worker', computing).ready()
  const entry = group.spawn('entry', { words: [...common, '--join', worker.address], ...context.profiled('entry') })
  await Promise.all([entry.ready(), local.ready()])
  await group.joined()
  await group.know(simModel, worker)
  return {
    local: armOf('omx-node, local', local, { node: local.pid }),
    hop: armOf('omx-node, one hop', entry, { entry: entry.pid, worker: worker.pid }),
  }
}

function armOf(name: string, node: NodeProcess, processes: Arm['processes']): Arm {
  return { name, port: Number(new URL(node.url).port), processes }
}
