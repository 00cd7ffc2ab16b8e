import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { identifyListener } from '../../src/http/identify.ts'
import { ListenError, startListener } from '../../src/http/listener.ts'
import { Channel } from '../../src/runtime/channel.ts'
import { accepted, done, FakeCluster, startFake, token } from './fake-cluster.ts'
import { closed, opened, received } from './raw-socket.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(cluster?: FakeCluster) {
  const node = await startFake(cluster)
  closing.push(() => node.listener.close())
  return node
}

const log = { error: () => {} }
const generate = JSON.stringify({ model: 'demo', prompt: 'hi' })
const head = `POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${generate.length}\r\n\r\n${generate}`

describe('a listener', () => {
  it('says where it listens and answers there', async () => {
    const { listener, url } = await start()
    expect(listener.address.host).toBe('127.0.0.1')
    expect(await (await fetch(url)).text()).toBe('Ollama is running')
  })

  it('rejects with the address when that is taken', async () => {
    const { port } = await start()
    const second = startListener({ host: '127.0.0.1', port, services: new FakeCluster(), log })
    await expect(second).rejects.toBeInstanceOf(ListenError)
    await expect(second).rejects.toMatchObject({ code: 'address-in-use', host: '127.0.0.1', port })
  })

  it('rejects an address that this host does not have', async () => {
    const started = startListener({ host: '192.0.2.1', port: 0, services: new FakeCluster(), log })
    await expect(started).rejects.toMatchObject({ name: 'ListenError', code: 'no-such-address' })
  })

  it('is alive and ready until it drains', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
  })

  it('drains at once when connections are only kept alive, half a request included', async () => {
    const { listener, port } = await start()
    const idle = await opened(port)
    const end = received(idle, '"version"')
    idle.write('GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await end
    const half = await opened(port)
    half.write('GET /api/ver')
    const ended = Promise.all([closed(idle), closed(half)])
    await listener.drain()
    await ended
  })

  it('drains when the answers under way have ended, and refuses others meanwhile', async () => {
    const { listener, port, cluster } = await start()
    const channel = new Channel<InferFrame>({ highWater: 10 })
    cluster.answer = () => channel
    const socket = await opened(port)
    socket.write(head)
    channel.push(accepted)
    channel.push(token(0, 'a'))
    await received(socket, '"a"')
    let drained = false
    const draining = listener.drain().then(() => {
      drained = true
    })
    await expect(opened(port)).rejects.toThrow('ECONNREFUSED')
    const rest = received(socket, 'shutting down')
    // Sent behind the running one on the same connection: answered after it.
    socket.write(head)
    channel.push(token(1, 'b'))
    await received(socket, '"b"')
    expect(drained).toBe(false)
    channel.push(done())
    channel.end()
    const answer = await rest
    expect(answer).toContain('"done":true')
    expect(answer).toContain('503 Service Unavailable')
    expect(answer.toLowerCase()).toContain('connection: close')
    await closed(socket)
    await draining
  })

  it('loses no byte of a large answer that a slow client is still reading when it drains', async () => {
    const { listener, port, cluster } = await start()
    const size = 8 * 1024 * 1024
    cluster.show = async () => ({ template: 'x'.repeat(size) })
    const body = '{"model":"demo"}'
    const socket = await opened(port)
    socket.write(`POST /api/show HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    let bytes = 0
    socket.once('data', (chunk) => {
      bytes += chunk.length
      socket.pause()
      void listener.drain()
      setImmediate(() => {
        socket.on('data', (more) => {
          bytes += more.length
        })
        socket.resume()
      })
    })
    await closed(socket)
    expect(bytes).toBeGreaterThan(size)
  })

  it('closes at once, running answers included', async () => {
    const { listener, port, cluster } = await start()
    let left = false
    const channel = new Channel<InferFrame>({ highWater: 10, onCancel: () => (left = true) })
    cluster.answer = () => channel
    const socket = await opened(port)
    socket.write(head)
    channel.push(token(0, 'a'))
    await received(socket, '"a"')
    const ended = closed(socket)
    const draining = listener.drain()
    await listener.close()
    await ended
    await draining
    await expect.poll(() => left).toBe(true)
  })
})

describe('what listens at an address', () => {
  it('is a node when it answers its status', async () => {
    const cluster = new FakeCluster()
    cluster.operations = { ...cluster.operations, status: async () => statusAnswer }
    const { port } = await start(cluster)
    expect(await identifyListener('127.0.0.1', port)).toBe('omx-node')
    expect(await identifyListener('0.0.0.0', port)).toBe('omx-node')
  })

  it('is an Ollama when it only greets as one', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/' ? 200 : 404
      response.end(request.url === '/' ? 'Ollama is running' : '404 page not found')
    })
    expect(await identifyListener('127.0.0.1', await listening(server))).toBe('ollama')
  })

  it('is unknown when it answers something else, nothing, or is not there', async () => {
    const other = createServer((_request, response) => response.end('hello'))
    expect(await identifyListener('127.0.0.1', await listening(other))).toBe('unknown')
    const silent = createNetServer((socket) => socket.on('error', () => {}))
    const port = await listening(silent)
    expect(await identifyListener('127.0.0.1', port)).toBe('unknown')
    await closing.pop()?.()
    expect(await identifyListener('127.0.0.1', port)).toBe('unknown')
  })
})

async function listening(server: ReturnType<typeof createServer> | ReturnType<typeof createNetServer>) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const statusAnswer = {
  node: 'a',
  name: 'a',
  version: '0.1.0',
  state: 'serving' as const,
  uptimeMs: 5,
  api: '127.0.0.1:1',
  p2p: [],
  peers: { healthy: 0, total: 0 },
  models: 0,
  loaded: 0,
  tasks: { active: 0, queued: 0 },
}
