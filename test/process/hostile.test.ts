/** What a stranger may send to a real node: it answers what it can, drops the rest, keeps its memory and serves on. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closed, exchange, opened, parseAnswer, received } from '../http/raw-socket.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let node: OmxNode
let port: number

/** What a node may grow by, whatever it is sent: the largest bodies that it reads at once, and what is not yet collected. */
const maxGrowthBytes = 400 * 1024 * 1024

beforeAll(async () => {
  node = await cluster.start('target', { engine: 'sim', holds: true, words: ['--sim-tokens-per-second', '0'] })
  port = Number(new URL(node.url).port)
})

afterEach(async () => {
  expect((await node.client.generate({ model: 'tiny', prompt: '⟦fine⟧' })).response).toBe('fine')
})

const head = (length: number | string, path = '/api/chat') =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`

function memoryBytes(): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${node.process.pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

async function post(path: string, body: string | Uint8Array): Promise<{ status: number; text: string }> {
  const response = await fetch(node.url + path, { method: 'POST', body: body as string })
  return { status: response.status, text: await response.text() }
}

describe('bodies', () => {
  it('of 30 MB, ten times at once, are answered or told that the node is busy, in bounded memory', async () => {
    const before = memoryBytes()
    const body = `{"model":"tiny","x":"${'x'.repeat(30_000_000)}"}`
    const answers = await Promise.all(Array.from({ length: 10 }, () => post('/api/chat', body)))
    const statuses = answers.map(({ status }) => status).sort()
    // 256 MiB of bodies fit at once.
    expect(statuses.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 200))
    for (const status of statuses.slice(8)) expect([200, 503]).toContain(status)
    await eventually('memory is given back', () => memoryBytes() - before < maxGrowthBytes)
  })

  it.each([
    ['arrays', `{"model":"tiny","messages":${'['.repeat(1_000_000)}`],
    ['objects', `{"model":"tiny","options":${'{"a":'.repeat(500_000)}`],
    ['balanced arrays in options', `{"model":"tiny","options":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`],
    ['a format', `{"model":"tiny","prompt":"x","format":${'{"items":'.repeat(20_000)}{}${'}'.repeat(20_000)}}`],
    ['tools', `{"model":"tiny","tools":[{"function":{"parameters":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}}]}`],
  ])('that nest without end are refused: %s', async (_, body) => {
    for (const path of ['/api/chat', '/api/generate']) {
      const { status, text } = await post(path, body)
      // A chat without messages only loads, whatever its tools and its format are.
      expect([200, 400, 500]).toContain(status)
      if (status !== 200) expect(Object.keys(JSON.parse(text))).toEqual(['error'])
    }
  })

  it('of bytes that are no text are refused or read as well as can be', async () => {
    const answers = await Promise.all([
      post('/api/chat', Buffer.from([0xff, 0xfe, 0x00, 0x01])),
      post('/api/generate', Buffer.concat([Buffer.from('{"model":"ti'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])),
      post('/api/generate', Buffer.from('{"model":"tiny","prompt":"\\ud800 ⟦ok⟧","stream":false}')),
    ])
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 200])
  })
})

describe('names', () => {
  const names = [
    '../../../etc/passwd',
    '..',
    'a/../../b',
    '/etc/passwd',
    'a\\..\\b',
    'x:../../y',
    'C:\\x',
    '~/x',
    'a\u0000',
    '%2e%2e/x',
  ]

  it.each(names)('that would leave the folder are refused: %j', async (name) => {
    for (const path of ['/api/generate', '/api/show', '/api/embed', '/api/chat']) {
      expect([path, (await post(path, JSON.stringify({ model: name, prompt: 'x' }))).status]).toEqual([path, 400])
    }
    for (const body of [
      { source: name, destination: 'b' },
      { source: 'tiny', destination: name },
    ]) {
      expect((await post('/api/copy', JSON.stringify(body))).status).toBe(400)
    }
    const removed = await fetch(`${node.url}/api/delete`, { method: 'DELETE', body: JSON.stringify({ model: name }) })
    expect(removed.status).toBe(400)
  })
})

describe('connections', () => {
  it('that send a body byte by byte hold nobody else up, and are forgotten when they go', async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, () => opened(port)))
    for (const socket of slow) socket.write(`${head(1000)}{`)
    expect((await node.client.version()).version).toMatch(/^\d/)
    for (const socket of slow) socket.destroy()
    await Promise.all(slow.map(closed))
  })

  it('with headers without end get 431', async () => {
    const flood = `GET / HTTP/1.1\r\nhost: localhost\r\n${'x-flood: y\r\n'.repeat(2_000)}\r\n`
    expect(parseAnswer(await exchange(port, flood)).status).toBe(431)
  })

  it('that close their half after a request are gone, as for Ollama, and what they asked for is not computed', async () => {
    const body = '{"model":"tiny","prompt":"x","options":{"num_predict":100000}}'
    const socket = await opened(port)
    socket.end(head(body.length, '/api/generate') + body)
    socket.resume()
    await closed(socket)
    await eventually('nothing is computed', async () => (await node.status()).tasks.active === 0)
  })

  it('that close their half within a body are dropped', async () => {
    const socket = await opened(port)
    socket.end(`${head(1000)}{"model"`)
    socket.resume()
    await closed(socket)
  })

  it('may send many requests at once and get the answers in order', async () => {
    const request = (name: string) => {
      const body = `{"model":"${name}"}`
      return head(Buffer.byteLength(body), '/api/show') + body
    }
    const names = Array.from({ length: 50 }, (_, at) => `nobody-${at}`)
    const socket = await opened(port)
    const answer = received(socket, "model 'nobody-49:latest' not found")
    socket.write(names.map(request).join(''))
    const found = [...(await answer).matchAll(/model 'nobody-(\d+):latest'/g)].map(([, at]) => Number(at))
    expect(found).toEqual(names.map((_, at) => at))
    socket.destroy()
  })

  it('with two lengths, with a length and chunks, or with a length that is none are refused', async () => {
    const requests = [
      'POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      'POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n{}',
      'GET / HTTP/9.9\r\n\r\n',
    ]
    for (const request of requests) expect(parseAnswer(await exchange(port, request)).status).toBe(400)
  })

  it('that come and go by hundreds leave no file open', async () => {
    const sockets: Socket[] = []
    for (let at = 0; at < 300; at++) sockets.push(await opened(port))
    await Promise.all(
      sockets.map(async (socket) => {
        socket.destroy()
        if (!socket.closed) await once(socket, 'close')
      }),
    )
    expect((await node.client.version()).version).toMatch(/^\d/)
  })
})
