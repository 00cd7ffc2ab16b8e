/** What a stranger may send to a real node: it answers what it can, drops the rest, keeps its memory and serves on. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closed, exchange, opened, parseAnswer, received, request } from '../http/raw-socket.ts'
import { eventually } from '../support/eventually.ts'
import {
  deepBodies,
  hostileNames,
  type JsonRoute,
  jsonRoutes,
  notTheEnvelope,
  type WrongBody,
  wrongBodies,
} from '../support/hostile-bodies.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let node: OmxNode
let port: number
let routes: readonly JsonRoute[]

/** What a node may grow by, whatever it is sent: the largest bodies that it reads at once, and what is not yet collected. */
const maxGrowthBytes = 400 * 1024 * 1024

/** When memory is given back is V8's to choose, and that depends on how busy the machine is; that it is, is ours. */
const givenBackWithinMs = 60_000
const largeTestMs = 30_000 + givenBackWithinMs

beforeAll(async () => {
  node = await cluster.start('target', { engine: 'sim', holds: true, words: ['--sim-tokens-per-second', '0'] })
  port = Number(new URL(node.url).port)
  routes = await jsonRoutes(node.url, 'tiny')
})

function routeAt(path: string): JsonRoute {
  const route = routes.find((each) => each.path === path)
  if (route === undefined) throw new Error(`the node has no ${path}`)
  return route
}

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

/** One of each surface. */
const surfaces = ['/api/chat', '/v1/chat/completions', '/v1/messages'] as const

/** Sends them all, a few at once, and says which were answered otherwise than with one of these, or in no envelope. */
async function misanswered(
  route: JsonRoute,
  bodies: readonly WrongBody[],
  statuses: (body: WrongBody) => readonly number[],
) {
  const wrong: string[] = []
  const left = [...bodies]
  const sender = async (): Promise<void> => {
    for (let body = left.pop(); body !== undefined; body = left.pop()) {
      const { status, text } = await post(route.path, body.text)
      const isRefusal = status !== 200
      const problem = isRefusal ? notTheEnvelope(route.surface, text) : undefined
      if (!statuses(body).includes(status) && !isOllamas(status, text))
        wrong.push(`${body.what}: ${status} ${text.slice(0, 200)}`)
      else if (problem !== undefined) wrong.push(`${body.what}: ${problem}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
  return wrong
}

/** Ollama answers these with 500. */
const isOllamas = (status: number, text: string): boolean =>
  status === 500 && /^\{"error":"(invalid format|option \\")/.test(text)

/** A node that has nothing to do may keep its garbage for long: what it still needs is seen while it works. */
async function isGivenBack(before: number): Promise<boolean> {
  const body = JSON.stringify({ model: 'tiny', x: 'x'.repeat(1_000_000) })
  for (let count = 0; count < 10; count++) await post('/api/show', body)
  return memoryBytes() - before < maxGrowthBytes
}

describe('bodies', () => {
  it(
    'with a value of any kind in any field are answered, or refused in the words of their surface',
    async () => {
      const before = memoryBytes()
      for (const route of routes) {
        const bodies = wrongBodies(route)
        expect(bodies.length).toBeGreaterThan(20)
        expect([route.path, await misanswered(route, bodies, ({ fits }) => (fits ? [200, 400, 404] : [400]))]).toEqual([
          route.path,
          [],
        ])
      }
      await eventually('memory is given back', () => isGivenBack(before), givenBackWithinMs)
    },
    largeTestMs,
  )

  it('that nest without end in any field are refused', async () => {
    for (const route of routes) {
      expect([route.path, await misanswered(route, deepBodies(route), () => [200, 400])]).toEqual([route.path, []])
    }
  })

  it.each(surfaces)(
    'of 30 MB, ten times at once, are answered or told that the node is busy: %s',
    async (path) => {
      const before = memoryBytes()
      const { good, surface } = routeAt(path)
      // Of one byte each: text of two is held twice as long.
      const messages = [{ role: 'user', content: 'x' }]
      const body = JSON.stringify({ ...good, messages, x: 'x'.repeat(30_000_000) })
      const answers = await Promise.all(Array.from({ length: 10 }, () => post(path, body)))
      const statuses = answers.map(({ status }) => status).sort()
      // 256 MiB of bodies fit at once.
      expect(statuses.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 200))
      for (const { status, text } of answers) {
        if (status !== 200) expect([status, notTheEnvelope(surface, text)]).toEqual([503, undefined])
      }
      await eventually('memory is given back', () => isGivenBack(before), givenBackWithinMs)
    },
    largeTestMs,
  )

  it('that are larger than a request may be, empty, cut short, or no JSON are refused', async () => {
    for (const { path, surface, good } of routes) {
      const whole = JSON.stringify(good)
      const bodies = [
        [`{"x":"${'x'.repeat(33 * 1024 * 1024)}"}`, 413],
        ['', 400],
        [whole.slice(0, -1), 400],
        [`[${whole}]`, 400],
        ['"text"', 400],
        [`{"x":${'['.repeat(1_000_000)}`, 400],
        [Buffer.from([0xff, 0xfe, 0x00, 0x01]), 400],
      ] as const
      for (const [body, wanted] of bodies) {
        const { status, text } = await post(path, body)
        expect([path, status, notTheEnvelope(surface, text)]).toEqual([path, wanted, undefined])
      }
    }
  })

  it('of bytes that are no text are read as well as can be', async () => {
    for (const { path, good } of routes) {
      const text = JSON.stringify({ ...good, x: '?' })
      const at = Buffer.from(text).lastIndexOf('?')
      const broken = Buffer.from(text)
      broken[at] = 0xff
      expect([path, (await post(path, broken)).status]).toEqual([path, 200])
      const lone = text.replace('⟦ok⟧', '\\ud800 ⟦ok⟧')
      expect([path, (await post(path, lone)).status]).toEqual([path, 200])
    }
  })

  it('with lists without end are refused, or answered in time', async () => {
    const lists = [
      ['/v1/chat/completions', { messages: Array(200_000).fill({ role: 'user', content: 'x' }) }],
      [
        '/v1/chat/completions',
        { messages: [{ role: 'user', content: Array(200_000).fill({ type: 'text', text: 'x' }) }] },
      ],
      ['/v1/chat/completions', { messages: [] }],
      [
        '/v1/responses',
        { input: Array(200_000).fill({ type: 'function_call', call_id: 'a', name: 'f', arguments: '' }) },
      ],
      ['/v1/responses', { input: [] }],
      [
        '/v1/messages',
        { messages: [{ role: 'user', content: Array(200_000).fill({ type: 'tool_result', tool_use_id: 'a' }) }] },
      ],
      ['/v1/messages', { messages: [] }],
      ['/v1/embeddings', { input: Array(200_000).fill('x') }],
      ['/v1/embeddings', { input: [] }],
    ] as const
    for (const [path, changes] of lists) {
      const { good, surface } = routeAt(path)
      const { status, text } = await post(path, JSON.stringify({ ...good, ...changes }))
      expect([path, Object.keys(changes), status, notTheEnvelope(surface, text)]).toEqual([
        path,
        Object.keys(changes),
        400,
        undefined,
      ])
    }
  })
})

describe('names', () => {
  it.each(hostileNames)('that would leave the folder are refused: %j', async (name) => {
    for (const { path, good, surface } of routes) {
      for (const field of ['model', 'source', 'destination'].filter((each) => each in good)) {
        const { status, text } = await post(path, JSON.stringify({ ...good, [field]: name }))
        expect([path, field, status, notTheEnvelope(surface, text)]).toEqual([path, field, 400, undefined])
      }
    }
    const removed = await fetch(`${node.url}/api/delete`, { method: 'DELETE', body: JSON.stringify({ model: name }) })
    expect(removed.status).toBe(400)
    const retrieved = await request(port, `GET /v1/models/${encodeURIComponent(name)}`)
    // No encoding keeps dots from being the way of a path, which is sent on to where it leads.
    if (name === '..') expect([retrieved.status, retrieved.body]).toEqual([307, expect.stringContaining('"/v1"')])
    else expect([retrieved.status, notTheEnvelope('openai', retrieved.body)]).toEqual([400, undefined])
  })

  it.each(['%zz', '%', '%ff'])('whose encoding is broken are refused: %s', async (name) => {
    const answer = await request(port, `GET /v1/models/${name}`)
    expect([answer.status, notTheEnvelope('openai', answer.body)]).toEqual([400, undefined])
  })
})

describe('connections', () => {
  it.each(surfaces)('that send a body byte by byte hold nobody else up, and are forgotten: %s', async (path) => {
    const slow = await Promise.all(Array.from({ length: 50 }, () => opened(port)))
    for (const socket of slow) socket.write(`${head(1000, path)}{`)
    expect((await node.client.version()).version).toMatch(/^\d/)
    for (const socket of slow) socket.destroy()
    await Promise.all(slow.map(closed))
  })

  it('with headers without end get 431', async () => {
    const flood = `GET / HTTP/1.1\r\nhost: localhost\r\n${'x-flood: y\r\n'.repeat(2_000)}\r\n`
    expect(parseAnswer(await exchange(port, flood)).status).toBe(431)
  })

  it.each(surfaces)(
    'that close their half after a request are gone, and nothing is computed for them: %s',
    async (path) => {
      const { good } = routeAt(path)
      const messages = [{ role: 'user', content: 'x' }]
      const body = JSON.stringify({
        ...good,
        messages,
        stream: true,
        options: { num_predict: 100_000 },
        max_tokens: 100_000,
      })
      const socket = await opened(port)
      socket.end(head(body.length, path) + body)
      socket.resume()
      await closed(socket)
      await eventually('nothing is computed', async () => (await node.status()).tasks.active === 0)
    },
  )

  it.each(surfaces)('that close their half within a body are dropped: %s', async (path) => {
    const socket = await opened(port)
    socket.end(`${head(1000, path)}{"model"`)
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
