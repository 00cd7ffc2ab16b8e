/** Real nodes that find each other, leave and come back. */
import { beforeAll, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let a: OmxNode
let b: OmxNode
let c: OmxNode

beforeAll(async () => {
  a = await cluster.start('a', { engine: 'sim' })
  ;[b, c] = (await Promise.all(['b', 'c'].map((name) => cluster.start(name, { engine: 'sim', join: a })))) as [
    OmxNode,
    OmxNode,
  ]
})

it('three nodes that were given one address list each other healthy', async () => {
  await Promise.all([a.sees(b, c), b.sees(a, c), c.sees(a, b)])
  expect(await a.status()).toMatchObject({
    name: 'a',
    node: a.id,
    state: 'serving',
    api: a.url.slice('http://'.length),
    p2p: [a.address],
    peers: { healthy: 2, total: 2 },
  })
  expect((await b.peers()).map(({ name }) => name).toSorted()).toEqual(['a', 'c'])
})

it('a node that is started again on its data folder is the same peer, after a stop as after a kill', async () => {
  const data = cluster.newFolder()
  const first = await cluster.start('d', { engine: 'sim', join: a, data })
  await a.sees(first)
  expect(await first.stop()).toEqual({ code: 0, signal: null })

  const second = await cluster.start('d', { engine: 'sim', join: a, data })
  expect(second.id).toBe(first.id)
  await Promise.all([a.sees(second), b.sees(second), c.sees(second), second.sees(a, b, c)])

  second.process.kill('SIGKILL')
  await second.process.exited
  const third = await cluster.start('d', { engine: 'sim', join: b, data })
  expect(third.id).toBe(first.id)
  await Promise.all([a.sees(third), b.sees(third), c.sees(third), third.sees(a, b, c)])
})

it('a node that is stopped says goodbye and is forgotten by everybody at once', async () => {
  const leaving = await cluster.start('leaving', { engine: 'sim', join: b })
  await Promise.all([a, b, c].map((node) => node.sees(leaving)))
  expect(await leaving.stop()).toEqual({ code: 0, signal: null })
  const stoppedMs = performance.now()
  for (const node of [a, b, c]) {
    await eventually(`${node.name} forgets it`, async () => (await node.peer(leaving)) === undefined)
  }
  expect(performance.now() - stoppedMs).toBeLessThan(2_000)
})

it('a killed node is unreachable for everybody at once', async () => {
  const doomed = await cluster.start('doomed', { engine: 'sim', join: c })
  await Promise.all([a.sees(doomed), b.sees(doomed), c.sees(doomed)])
  const killedMs = performance.now()
  doomed.process.kill('SIGKILL')
  for (const node of [a, b, c]) {
    await eventually(`${node.name} notices`, async () => (await node.peer(doomed))?.state === 'unreachable')
  }
  // A silent node would take 4 s; this one's connections were closed by its system.
  expect(performance.now() - killedMs).toBeLessThan(3_000)
})

it('a node given an address at which nobody answers yet joins when somebody does', async () => {
  const data = cluster.newFolder()
  const before = await cluster.start('e', { engine: 'sim', data })
  const port = /tcp\/(\d+)/.exec(before.address)?.[1]
  await before.stop()
  const waiting = await cluster.start('waiting', { engine: 'sim', join: before })
  expect(await waiting.peers()).toEqual([])
  const after = await cluster.start('e', { engine: 'sim', data, words: ['--p2p', `/ip4/127.0.0.1/tcp/${port}`] })
  await Promise.all([waiting.sees(after), after.sees(waiting)])
})
