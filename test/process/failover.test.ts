/** Workers and their engine children killed before and after the first token: an answer ends in exactly one way. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { LineStream, textOf } from './support/line-stream.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()

/** What a lost stream may take to become an error line. */
const errorWithinMs = 2_000

describe('with the sim engine', () => {
  /** One token a second: a request that has been taken is long without its first. */
  const slow = ['--sim-tokens-per-second', '1']
  const body = (tokens: number) => ({ model: 'tiny', prompt: 'x', options: { temperature: 0, num_predict: tokens } })
  let entry: OmxNode
  let survivor: OmxNode

  beforeAll(async () => {
    entry = await cluster.start('entry', { engine: 'sim' })
  })

  async function holder(name: string, words: readonly string[]): Promise<OmxNode> {
    const node = await cluster.start(name, { engine: 'sim', join: entry, holds: true, words })
    await entry.knowsHolders('tiny', node)
    return node
  }

  it('a worker that is killed before the first token is replaced by another holder', async () => {
    const holders = await Promise.all([holder('left', slow), holder('right', slow)])
    const expected = await (holders[0] as OmxNode).client.generate({ ...body(2), stream: false })
    const answer = LineStream.post(entry, '/api/generate', body(2))
    const worker = await eventually('a holder has taken the request', () => busyOne(holders))
    worker.process.kill('SIGKILL')
    const stream = await answer
    const lines = await stream.rest()
    expect(stream.status).toBe(200)
    expect(textOf(lines)).toBe(expected.response)
    expect(lines.at(-1)).toMatchObject({ done: true, eval_count: 2 })
    survivor = holders.find((node) => node !== worker) as OmxNode
    expect(stream.worker).toBe(survivor.id)
  })

  it('the only holder killed before the first token is an error with a status, not an empty answer', async () => {
    const answer = LineStream.post(entry, '/api/generate', body(2))
    await eventually('it has taken the request', () => busyOne([survivor]))
    survivor.process.kill('SIGKILL')
    const stream = await answer
    expect(stream.status).toBe(502)
    expectOneErrorLine(await stream.rest())
  })

  it('a worker that is killed after the first token ends the answer with one error line', async () => {
    const worker = await holder('doomed', ['--sim-tokens-per-second', '20'])
    const stream = await LineStream.post(entry, '/api/generate', body(1_000))
    expect(stream.status).toBe(200)
    await stream.next()
    const killedMs = performance.now()
    worker.process.kill('SIGKILL')
    expectOneErrorLine(await stream.rest())
    expect(stream.endedMs - killedMs).toBeLessThan(errorWithinMs)
    await eventually('no task is left', async () => (await entry.actors('node/tasks/')).length === 0)
  })
})

describe('with the llama engine', () => {
  const body = { model: 'tiny', prompt: 'Tell me a long story.', options: { temperature: 0, num_predict: 40 } }
  /** Chance alone chooses the tokens, and with this seed none of them is the end: the answer takes a second or more. */
  const chance = { temperature: 1e6, top_k: 0, top_p: 1, min_p: 0, seed: 3, num_predict: 900 }
  const long = { model: 'tiny', prompt: 'x', options: chance }
  let entry: OmxNode
  let left: OmxNode
  let right: OmxNode

  beforeAll(async () => {
    entry = await cluster.start('entry')
    ;[left, right] = (await Promise.all(
      ['left', 'right'].map((name) => cluster.start(name, { join: entry, holds: true })),
    )) as [OmxNode, OmxNode]
    await entry.knowsHolders('tiny', left, right)
  })

  beforeEach(async () => {
    for (const node of [left, right]) {
      await node.client.generate({ model: 'tiny', prompt: '', keep_alive: 0 })
      await eventually(`${node.name} holds nothing in memory`, () => node.engineChildren().length === 0)
    }
  })

  it('an engine child that is killed while it loads is replaced by another holder', async () => {
    const answer = LineStream.post(entry, '/api/generate', body)
    const [worker, child] = await eventually('a holder starts its engine', () => childOf([left, right]))
    process.kill(child, 'SIGKILL')
    const stream = await answer
    const lines = await stream.rest()
    expect(stream.status).toBe(200)
    expect(lines.at(-1)).toMatchObject({ done: true })
    expect(textOf(lines)).toBe((await entry.client.generate({ ...body, stream: false })).response)
    expect(stream.worker).toBe((worker === left ? right : left).id)
  })

  it('an engine child that is killed at the only holder before the first token is started again and answers', async () => {
    const alone = await cluster.start('alone', { holds: true })
    const expected = await alone.client.generate({ ...body, stream: false })
    const [child] = alone.engineChildren() as [number]
    process.kill(child, 'SIGSTOP')
    const answer = LineStream.post(alone, '/api/generate', body)
    await eventually('it waits for its first token', () => busyOne([alone]))
    process.kill(child, 'SIGKILL')
    const stream = await answer
    expect(stream.status).toBe(200)
    expect(textOf(await stream.rest())).toBe(expected.response)
    alone.process.kill('SIGKILL')
  })

  it('an engine child that is killed mid-stream is an error line at once, and the next request is served', async () => {
    const expected = await entry.client.generate({ ...body, stream: false })
    const stream = await LineStream.post(entry, '/api/generate', long)
    const worker = stream.worker === left.id ? left : right
    const [child] = worker.engineChildren() as [number]
    await stream.next()
    const killedMs = performance.now()
    process.kill(child, 'SIGKILL')
    expectOneErrorLine(await stream.rest())
    expect(stream.endedMs - killedMs).toBeLessThan(errorWithinMs)

    const [first, second] = await Promise.all([
      entry.client.generate({ ...body, stream: false }),
      worker.client.generate({ ...body, stream: false }),
    ])
    expect([first.response, second.response]).toEqual([expected.response, expected.response])
    const engine = await eventually('the supervisor has restarted it', async () => {
      const found = await worker.engine()
      return found?.state.startsWith('ready') ? found : undefined
    })
    expect(engine.restarts).toBe(1)
    expect(engine.lastExit).toMatch(/^crash: the engine of tiny:latest \(process \d+\) was killed by SIGKILL$/)
    expect(worker.engineChildren()).toHaveLength(1)
    expect(worker.engineChildren()).not.toContain(child)
  })

  it('a model that is unloaded while its engine restarts is loaded again by the next request', async () => {
    await left.client.generate({ ...body, stream: false })
    const [child] = left.engineChildren() as [number]
    process.kill(child, 'SIGKILL')
    await eventually('the supervisor hears of it', async () => !(await left.engine())?.state.startsWith('ready'))
    await left.client.generate({ model: 'tiny', prompt: '', keep_alive: 0 })
    expect((await left.client.generate({ ...body, stream: false })).done).toBe(true)
  })

  it('no engine child outlives a node that is killed', async () => {
    await right.client.generate({ ...body, stream: false })
    expect(right.engineChildren()).toHaveLength(1)
    right.process.kill('SIGKILL')
    await right.process.exited
    await right.process.childrenGone()
  })
})

/** The text so far, then one line that is an error, then the end. */
function expectOneErrorLine(lines: readonly { readonly error?: string; readonly done?: boolean }[]): void {
  const last = lines.at(-1)
  expect(Object.keys(last ?? {})).toEqual(['error'])
  expect(last?.error).toMatch(/\w/)
  expect(lines.slice(0, -1).every(({ error, done }) => error === undefined && done === false)).toBe(true)
}

async function busyOne(nodes: readonly OmxNode[]): Promise<OmxNode | undefined> {
  const engines = await Promise.all(nodes.map((node) => node.engine()))
  return nodes.find((_, index) => engines[index]?.state === 'ready.busy')
}

function childOf(nodes: readonly OmxNode[]): [OmxNode, number] | undefined {
  for (const node of nodes) {
    const [child] = node.engineChildren()
    if (child !== undefined) return [node, child]
  }
  return undefined
}
