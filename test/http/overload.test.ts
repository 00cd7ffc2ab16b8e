/** Limits at the edge, each driven over and then left alone: the right answer, and service again without a restart. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import type { ListenerLimits } from '../../src/http/listener.ts'
import type { LoadedRow } from '../../src/http/services.ts'
import { Channel } from '../../src/runtime/channel.ts'
import { digestA, held } from '../actors/support/reports.ts'
import { FakeCluster, loaded, post, type Running, startFake, token } from './fake-cluster.ts'
import { closed, opened, parseAnswer, received } from './raw-socket.ts'
import { newRequest, SiteCluster } from './site-cluster.ts'

const busy = { error: 'server busy, please try again.  maximum pending requests exceeded' }
const hi = { model: 'demo', prompt: 'hi', stream: false }

async function start(limits: Partial<ListenerLimits>, cluster = new FakeCluster()): Promise<Running> {
  const node = await startFake(cluster, { limits })
  onTestFinished(() => node.listener.close())
  return node
}

const natives = ['/api/generate', '/api/chat']
const translated = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages']

/** An answer that goes on until its client leaves, as fast as the client takes it. */
function endless(onLeft: () => void): Channel<InferFrame> {
  const produce = (): void => void channel.push(token(0, 'x'.repeat(256 * 1024)))
  const channel: Channel<InferFrame> = new Channel({
    highWater: 1,
    onDrain: () => setImmediate(produce),
    onCancel: onLeft,
  })
  produce()
  return channel
}

/** The server hears a moment later than its client that a connection has ended; until then 503 is right. */
async function expectServing(node: Running): Promise<void> {
  let answer = await post(`${node.url}/api/generate`, hi)
  while (answer.status === 503) answer = await post(`${node.url}/api/generate`, hi)
  expect(answer.json).toMatchObject({ done: true })
}

describe('a listener with all its connections taken', () => {
  it('answers the next with 503 and closes it, and serves again when one has left', async () => {
    const node = await start({ maxConnections: 2 })
    const taken = await Promise.all([opened(node.port), opened(node.port)])
    const third = await opened(node.port)
    const answer = received(third, '}')
    third.write('GET /api/tags HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const { status, head, body } = parseAnswer(await answer)
    expect([status, JSON.parse(body)]).toEqual([503, busy])
    expect(head).toContain('connection: close')
    await closed(third)
    for (const socket of taken) socket.destroy()
    await Promise.all(taken.map(closed))
    await expectServing(node)
  })

  it('closes those far beyond them without a word', async () => {
    const node = await start({ maxConnections: 1 })
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (let count = 0; count < 1 + 256; count++) sockets.push(await opened(node.port))
    const beyond = connect(node.port, '127.0.0.1').on('error', () => {})
    await closed(beyond)
    expect(sockets.every((socket) => !socket.destroyed)).toBe(true)
  })
})

describe('a listener whose bodies have no more room', () => {
  it('answers the next with 503, lets the others finish, and takes the same again afterwards', async () => {
    const node = await start({ maxBodiesBytes: 1_000_000 })
    const large = { ...hi, prompt: 'x'.repeat(600_000) }
    let answerFirst = (): void => {}
    const first = new Promise<void>((resolve) => {
      answerFirst = resolve
    })
    const { answer } = node.cluster
    node.cluster.answer = async (request) => {
      await first
      return answer(request)
    }
    const waiting = post(`${node.url}/api/generate`, large)
    while (node.cluster.requests.length === 0) await new Promise(setImmediate)
    const refused = await post(`${node.url}/api/generate`, large)
    expect([refused.status, refused.json]).toEqual([503, busy])
    answerFirst()
    expect((await waiting).json).toMatchObject({ done: true })
    expect((await post(`${node.url}/api/generate`, large)).json).toMatchObject({ done: true })
  })

  it('has the room back when a client leaves in the middle of its body', async () => {
    const node = await start({ maxBodiesBytes: 1_000 })
    const half = await opened(node.port)
    half.write(`POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 990\r\n\r\n{${' '.repeat(980)}`)
    while ((await post(`${node.url}/api/generate`, hi)).status !== 503);
    half.destroy()
    await expectServing(node)
  })
})

describe('a client that reads nothing', () => {
  it.each([...natives, ...translated])('slows its worker, and is cut off after a while (%s)', async (path) => {
    const node = await start({ maxStallMs: 300 })
    const answer = { channel: undefined as Channel<InferFrame> | undefined }
    const left = new Promise<void>((resolve) => {
      node.cluster.answer = () => {
        answer.channel = endless(resolve)
        return answer.channel
      }
    })
    const socket = await opened(node.port)
    socket.pause()
    const messages = [{ role: 'user', content: 'hi' }]
    const body = JSON.stringify({ model: 'demo', prompt: 'hi', input: 'hi', messages, max_tokens: 9, stream: true })
    socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    await left
    expect(answer.channel?.waiting).toBeLessThanOrEqual(1)
    socket.destroy()
    node.cluster.answer = new FakeCluster().answer
    await expectServing(node)
  })

  it('of a whole answer is cut off as well', async () => {
    const node = await start({ maxStallMs: 300 })
    // More than the buffers of two sockets hold.
    node.cluster.loadedModels = Array(60_000).fill(loaded) as LoadedRow[]
    const socket = await opened(node.port)
    socket.write('GET /api/ps HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await once(socket, 'readable')
    await node.listener.drain()
    socket.destroy()
  })

  it('that waits for its first token may be silent for longer', async () => {
    const node = await start({ maxStallMs: 200 })
    const { answer } = node.cluster
    node.cluster.answer = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 700))
      return answer(request)
    }
    await expectServing(node)
  })
})

describe('a node whose actors have no room', () => {
  it('answers 503 while the scheduler owes as many answers as it may, and serves again', async () => {
    const nodes = await SiteCluster.of({ a: { models: [held('m:latest', digestA)] } })
    const submit = () => nodes.at('a').submit(newRequest(), new AbortController().signal)
    for (let count = 0; count < 4096; count++) nodes.site('a').ask('scheduler', { type: 'load.get' })
    await expect(nodes.settle(submit())).rejects.toMatchObject({ code: 'busy', message: busy.error })
    await nodes.world.run(2000)
    expect(await nodes.settle(submit())).toBeDefined()
  })

  it('answers 503 while the mailbox of the scheduler is full, and serves again', async () => {
    const nodes = await SiteCluster.of({ a: { models: [held('m:latest', digestA)] } })
    const submit = () => nodes.at('a').submit(newRequest(), new AbortController().signal)
    for (let count = 0; count < 16_384; count++) nodes.site('a').tell('scheduler', { type: 'no such message' })
    await expect(nodes.settle(submit())).rejects.toMatchObject({ code: 'busy' })
    await nodes.world.run(2000)
    expect(await nodes.settle(submit())).toBeDefined()
  })

  it('computes what came while the mailbox of its worker was full once that has room, and answers it', async () => {
    const nodes = await SiteCluster.of({ a: { models: [held('m:latest', digestA)] } })
    const site = nodes.site('a')
    for (let count = 0; count < 8192; count++) site.tell('worker', { type: 'no such message' })
    const request = site.submit()
    await nodes.world.run(5000)
    expect(request.refused).toBeUndefined()
    expect(request.frames.at(-1)).toMatchObject({ kind: 'done' })
  })
})
