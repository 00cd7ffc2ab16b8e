/** Clients, workers and whole nodes that leave: on purpose, by SIGTERM, or stopped where they stand. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { LineStream } from './support/line-stream.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
const body = (tokens: number) => ({ model: 'tiny', prompt: 'x', options: { num_predict: tokens } })
/** Longer than any test takes. */
const endless = body(3_000)

describe('a client that goes away', () => {
  let holder: OmxNode
  let entry: OmxNode

  beforeAll(async () => {
    holder = await cluster.start('holder', { engine: 'sim', holds: true, words: ['--slots', '1'] })
    entry = await cluster.start('entry', { engine: 'sim', join: holder })
    await entry.knowsHolders('tiny', holder)
  })

  it('stops the work, here and on another node, streaming and not', async () => {
    for (const node of [holder, entry]) {
      const stream = await LineStream.post(node, '/api/generate', endless)
      await stream.next()
      await eventually('it is being computed', async () => (await holder.engine())?.state === 'ready.busy')
      stream.abort()
      await idle(node, holder)

      const abort = new AbortController()
      const request = { method: 'POST', body: JSON.stringify({ ...endless, stream: false }), signal: abort.signal }
      const answer = fetch(`${node.url}/api/generate`, request).catch((error: Error) => error.name)
      await eventually('it is being computed', async () => (await holder.engine())?.state === 'ready.busy')
      abort.abort()
      expect(await answer).toBe('AbortError')
      await idle(node, holder)
    }
    await eventually('the report says so', async () => (await entry.peer(holder))?.active === 0)
  })

  it('before its turn leaves the queue without being computed', async () => {
    const running = await LineStream.post(holder, '/api/generate', endless)
    const abort = new AbortController()
    const request = { method: 'POST', body: JSON.stringify(endless), signal: abort.signal }
    const waiting = fetch(`${holder.url}/api/generate`, request).catch((error: Error) => error.name)
    await eventually('it waits', async () => (await holder.status()).tasks.active === 2)
    abort.abort()
    expect(await waiting).toBe('AbortError')
    await eventually('it has left', async () => (await holder.status()).tasks.active === 1)
    running.abort()
    await idle(holder, holder)
  })
})

describe('SIGTERM', () => {
  it('lets a running answer finish, refuses new ones, and exits 0 with nothing left', async () => {
    const data = cluster.newFolder()
    const words = ['--sim-tokens-per-second', '20']
    const node = await cluster.start('node', { engine: 'sim', holds: true, data, words })
    const other = await cluster.start('other', { engine: 'sim', join: node })
    await other.knowsHolders('tiny', node)
    expect(existsSync(join(data, 'run.json'))).toBe(true)
    const [here, there] = await Promise.all([node, other].map((at) => LineStream.post(at, '/api/generate', body(40))))
    node.process.kill('SIGTERM')
    await eventually('it says so in its report', async () => (await refusal(other)) === 503)
    expect(await refusal(node)).toSatisfy((status: unknown) => status === 503 || status === 'refused')
    for (const stream of [here, there]) {
      expect((await stream?.rest())?.at(-1)).toMatchObject({ done: true, eval_count: 40 })
    }
    expect(await node.process.exited).toEqual({ code: 0, signal: null })
    expect(existsSync(join(data, 'run.json'))).toBe(false)
    await node.process.childrenGone()
  })

  it('ends the engine child with the node', async () => {
    const node = await cluster.start('node', { holds: true })
    await node.client.generate({ model: 'tiny', prompt: '' })
    const [child] = node.engineChildren() as [number]
    expect(child).toBeGreaterThan(0)
    expect(await node.stop()).toEqual({ code: 0, signal: null })
    expect(node.process.stderr).not.toContain('"level":40')
    await node.process.childrenGone()
  })

  it('twice exits at once with the signal’s code, children included', async () => {
    const node = await cluster.start('node', { engine: 'sim', holds: true })
    const stream = await LineStream.post(node, '/api/generate', endless)
    node.process.kill('SIGTERM')
    await eventually('it drains', () => node.process.stderr.includes('draining'))
    const againMs = performance.now()
    node.process.kill('SIGTERM')
    expect(await node.process.exited).toEqual({ code: 143, signal: null })
    expect(performance.now() - againMs).toBeLessThan(1_000)
    await expect(stream.rest()).rejects.toThrow()
    await node.process.childrenGone()
  })

  it('cuts off with an error line what has not finished within the drain, and still exits 0', async () => {
    const node = await cluster.start('node', { engine: 'sim', holds: true, words: ['--drain', '500ms'] })
    const stream = await LineStream.post(node, '/api/generate', endless)
    const exit = node.stop()
    const lines = await stream.rest()
    expect(Object.keys(lines.at(-1) ?? {})).toEqual(['error'])
    expect(await exit).toEqual({ code: 0, signal: null })
  })
})

describe('a worker that is stopped where it stands', () => {
  let entry: OmxNode
  let worker: OmxNode

  beforeAll(async () => {
    entry = await cluster.start('entry', { engine: 'sim' })
    worker = await cluster.start('worker', { engine: 'sim', holds: true, join: entry })
    await entry.knowsHolders('tiny', worker)
  })

  it('is suspected, loses its streams, and serves again when it goes on', async () => {
    const stream = await LineStream.post(entry, '/api/generate', endless)
    await stream.next()
    const stoppedMs = performance.now()
    worker.process.kill('SIGSTOP')
    await eventually('it is suspected', async () => (await entry.peer(worker))?.state === 'suspect')
    await eventually('it is given up', async () => (await entry.peer(worker))?.state === 'unreachable')
    expect(performance.now() - stoppedMs).toBeLessThan(6_000)
    const lines = await stream.rest()
    expect(Object.keys(lines.at(-1) ?? {})).toEqual(['error'])
    expect(lines.slice(0, -1).every(({ done }) => done === false)).toBe(true)

    worker.process.kill('SIGCONT')
    await entry.sees(worker)
    await eventually('nobody computes for nobody', async () => (await worker.engine())?.state === 'ready.idle')
    expect((await entry.client.generate({ ...body(5), stream: false })).eval_count).toBe(5)
  })

  it('costs no request that has not begun: another holder serves it', async () => {
    const other = await cluster.start('other', { engine: 'sim', holds: true, join: entry })
    await entry.knowsHolders('tiny', worker, other)
    worker.process.kill('SIGSTOP')
    const streams = await Promise.all(Array.from({ length: 6 }, () => LineStream.post(entry, '/api/generate', body(3))))
    for (const stream of streams) {
      expect((await stream.rest()).at(-1)).toMatchObject({ done: true, eval_count: 3 })
      expect(stream.worker).toBe(other.id)
    }
  })
})

/** Resolves when nothing is computed for this entry node any more. */
async function idle(entry: OmxNode, worker: OmxNode): Promise<void> {
  await eventually('the engine is idle', async () => (await worker.engine())?.state === 'ready.idle', 3_000)
  await eventually('no task is left', async () => (await entry.actors('node/tasks/')).length === 0, 3_000)
}

/** How a short request fails; undefined when it does not. */
async function refusal(node: OmxNode): Promise<number | 'refused' | undefined> {
  try {
    const stream = await LineStream.post(node, '/api/generate', body(1))
    await stream.rest()
    return stream.status === 200 ? undefined : stream.status
  } catch {
    return 'refused'
  }
}
