/** Where requests go when two real nodes hold the model, and what happens when there are more than they take. */
import { beforeAll, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import { LineStream } from './support/line-stream.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let left: OmxNode
let right: OmxNode
let entry: OmxNode

const body = (tokens: number) => ({ model: 'tiny', prompt: 'x', options: { num_predict: tokens } })

beforeAll(async () => {
  left = await cluster.start('left', { engine: 'sim', holds: true })
  ;[right, entry] = (await Promise.all([
    cluster.start('right', { engine: 'sim', holds: true, join: left }),
    cluster.start('entry', { engine: 'sim', join: left }),
  ])) as [OmxNode, OmxNode]
  await Promise.all([left, right, entry].map((node) => node.knowsHolders('tiny', left, right)))
})

it('a node that holds the model computes by itself what it is asked, one request after the other', async () => {
  for (const node of [left, right]) {
    for (let count = 0; count < 6; count += 1) {
      const stream = await LineStream.post(node, '/api/generate', body(2))
      await stream.rest()
      expect([count, stream.worker]).toEqual([count, node.id])
    }
  }
})

it('requests that come together at a node without the model are spread over both holders', async () => {
  const streams = await Promise.all(Array.from({ length: 8 }, () => LineStream.post(entry, '/api/generate', body(20))))
  const ends = await Promise.all(streams.map((stream) => stream.rest()))
  expect(ends.every((lines) => lines.at(-1)?.done === true)).toBe(true)
  const workers = streams.map(({ worker }) => worker)
  expect(workers.filter((worker) => worker === left.id)).toHaveLength(4)
  expect(workers.filter((worker) => worker === right.id)).toHaveLength(4)
})

it('a holder that is busy leaves requests to the other one', async () => {
  await eventually('left has heard that right is idle', async () => (await left.peer(right))?.active === 0)
  const long = await LineStream.post(left, '/api/generate', body(1_000))
  expect(long.worker).toBe(left.id)
  const second = await LineStream.post(left, '/api/generate', body(2))
  await second.rest()
  expect(second.worker).toBe(right.id)
  long.abort()
})

it('beyond slots and queue a request is refused in Ollama’s words, and those before it complete', async () => {
  const words = ['--slots', '1', '--max-queue', '1', '--sim-tokens-per-second', '20']
  const alone = await cluster.start('alone', { engine: 'sim', holds: true, words })
  await alone.client.generate({ ...body(1), stream: false })
  await eventually('it knows its slots', async () => (await alone.client.ps()).models.length === 1)

  // One runs, two wait at the engine so that it never idles, one waits in the queue.
  const accepted = Array.from({ length: 4 }, () => LineStream.post(alone, '/api/generate', body(10)))
  await eventually('all four have been taken', async () => {
    const { active, queued } = (await alone.status()).tasks
    return active === 3 && queued === 1
  })
  const refused = await Promise.all(Array.from({ length: 5 }, () => LineStream.post(alone, '/api/generate', body(10))))
  for (const stream of refused) {
    const error = 'server busy, please try again.  maximum pending requests exceeded'
    expect([stream.status, await stream.rest()]).toEqual([503, [{ error }]])
  }
  for (const stream of await Promise.all(accepted)) {
    expect((await stream.rest()).at(-1)).toMatchObject({ done: true, eval_count: 10 })
  }
  await eventually('nothing is left of them', async () => {
    const { active, queued } = (await alone.status()).tasks
    return active === 0 && queued === 0
  })
})
