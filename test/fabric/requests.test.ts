/** Requests between whole nodes on links that are slow, held and cut: real libp2p and real time. */
import { describe, expect, it } from 'vitest'
import { maxStreamWindowBytes } from '../../src/net/limits.ts'
import { eventually } from '../support/eventually.ts'
import { converged, idsOf, model, useFabric } from './cluster.ts'
import { type FabricNode, framesOf, indicesOf } from './node.ts'

/** Beside a stream's window: the socket's buffers, what each side may hold of an answer, and a minute of heartbeats. */
const maxOnTheWayBytes = 512 * 1024

const cluster = useFabric()

/** An entry node without a model, and a worker that holds it. */
async function pair(tokensPerSecond: number, stallMs?: number) {
  const init = { ...(stallMs === undefined ? {} : { stallMs }), engine: { tokensPerSecond } }
  const nodes = await cluster.startMany(2, (index) => (index === 1 ? { ...init, models: [model] } : init))
  const [entry, worker] = nodes as [FabricNode, FabricNode]
  await converged(nodes)
  return { entry, worker }
}

async function activeTasks(node: FabricNode) {
  return (await node.runtime.ask(node.ref('health'), { type: 'health.probe' }, 1000)).activeTasks
}

const countTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('a request', () => {
  it('crosses between three nodes that were given one address, from each to the only holder', async () => {
    const nodes = await cluster.startMany(3, (index) => (index === 2 ? { models: [model] } : {}))
    await converged(nodes)
    for (const node of nodes) {
      const answer = await node.submit(20)
      const frames = await framesOf(answer)
      expect(indicesOf(frames)).toEqual(countTo(20))
      expect(frames.at(-1)).toMatchObject({ kind: 'done', evalTokens: 20 })
      expect(answer.worker).toBe(nodes[2]?.node)
    }
  })

  it('goes on after its link was held, with nothing lost and in order', async () => {
    const { entry, worker } = await pair(200)
    const { fabric } = cluster
    let seen = 0
    const whole = framesOf(await entry.submit(100), (batch) => {
      seen += batch.length
    })
    await eventually('tokens flow', () => seen > 10)
    fabric.hold(worker.node, entry.node)
    await eventually('the engine is far ahead', () => fabric.waitingBytes(worker.node, entry.node) > 1000)
    const seenWhileHeld = seen
    expect(seenWhileHeld).toBeLessThan(100)
    fabric.release(worker.node, entry.node)
    const frames = await whole
    expect(indicesOf(frames)).toEqual(countTo(100))
    expect(frames.at(-1)?.kind).toBe('done')
    expect(await entry.seesAs(worker)).toBe('healthy')
  })

  it.each([
    ['both ways', true],
    ['only on the way back', false],
  ])(
    'is told of a stall within the watchdog when its link is held %s, and the peer becomes unreachable',
    async (_, both) => {
      const { entry, worker } = await pair(50, 1000)
      const { fabric } = cluster
      let seen = 0
      const whole = framesOf(await entry.submit(10_000), (batch) => {
        seen += batch.length
      })
      await eventually('tokens flow', () => seen > 3)
      const heldMs = performance.now()
      fabric.hold(worker.node, entry.node)
      if (both) fabric.hold(entry.node, worker.node)
      const frames = await whole
      expect(performance.now() - heldMs).toBeLessThan(3000)
      expect(frames.at(-1)).toMatchObject({ kind: 'failed', code: 'stalled' })
      expect(indicesOf(frames)).toEqual(countTo(indicesOf(frames).length))
      await eventually(
        'the peer is gone for the entry node',
        async () => (await entry.seesAs(worker)) === 'unreachable',
      )
      // Silence of 4 s, seen at the next heartbeat; the rest is a busy machine.
      expect(performance.now() - heldMs).toBeLessThan(7000)
      await eventually('its engine works for nobody', async () => (await activeTasks(worker)) === 0)
      fabric.heal()
      await eventually('it is back', async () => (await entry.seesAs(worker)) === 'healthy')
      expect(indicesOf(await framesOf(await entry.submit(5)))).toEqual(countTo(5))
    },
  )

  it('is told that its link was lost when it is cut, and the peer is dialled again before anybody calls it gone', async () => {
    const { entry, worker } = await pair(50)
    const states: string[] = []
    entry.runtime.follow(entry.ref(`peers/${worker.node}`), (_, to) => states.push(to))
    let seen = 0
    const whole = framesOf(await entry.submit(10_000), (batch) => {
      seen += batch.length
    })
    await eventually('tokens flow', () => seen > 3)
    cluster.fabric.cut(entry.node, worker.node)
    const frames = await whole
    expect(frames.at(-1)).toMatchObject({ kind: 'failed', code: 'link-lost' })
    await eventually('it is healthy again', () => states.at(-1)?.startsWith('healthy'))
    expect(states.some((state) => state.startsWith('unreachable'))).toBe(false)
    expect(states.some((state) => state.startsWith('suspect'))).toBe(true)
  })

  it('streams over links of 40 ms each way, on which three nodes joined and gossip reaches all', async () => {
    const { fabric } = cluster
    const first = await cluster.start()
    const rest = [await cluster.start(), await cluster.start({ models: [model], engine: { tokensPerSecond: 100 } })]
    const nodes = [first, ...rest]
    for (const from of idsOf(nodes)) for (const to of idsOf(nodes)) if (from !== to) fabric.slow(from, to, 40)
    for (const node of rest)
      node.tell('membership', { type: 'peer.found', node: first.node, addresses: [first.address] })
    await converged(nodes)
    const startedMs = performance.now()
    const frames = await framesOf(await first.submit(30))
    expect(indicesOf(frames)).toEqual(countTo(30))
    expect(performance.now() - startedMs).toBeGreaterThan(80)
    await eventually('gossip reaches all', async () => {
      const version = await first.changeReport()
      return eventually('this one', () => rest.every((node) => node.gossiped.get(first.node)?.includes(version)), 4000)
    })
  })
})

describe('a consumer that does not read', () => {
  it('pauses the engine of another node, what waits on the way is bounded, and all of it comes when it reads again', async () => {
    const { entry, worker } = await pair(0)
    const tokens = 200_000
    const answer = await entry.submit(tokens)
    const reader = answer[Symbol.asyncIterator]()
    const first = await reader.next()
    let sent = 0
    await eventually('the worker has stopped sending', () => {
      const before = sent
      sent = cluster.fabric.sentBytes(worker.node)
      // Heartbeats and gossip go on: some hundred bytes between two looks, where tokens would be megabytes.
      return sent > maxStreamWindowBytes / 2 && sent - before < 4096
    })
    expect(await activeTasks(worker)).toBe(1)
    expect(sent).toBeLessThan(maxStreamWindowBytes + maxOnTheWayBytes)
    const rest = await framesOf({ [Symbol.asyncIterator]: () => reader })
    const frames = [...(first.value ?? []), ...rest]
    expect(indicesOf(frames)).toEqual(countTo(tokens))
    expect(cluster.fabric.sentBytes(worker.node)).toBeGreaterThan(2 * sent)
  })

  it('that leaves stops the engine', async () => {
    const { entry, worker } = await pair(0)
    const reader = (await entry.submit(200_000))[Symbol.asyncIterator]()
    await reader.next()
    await reader.return?.()
    await eventually('its engine works for nobody', async () => (await activeTasks(worker)) === 0)
  })
})
