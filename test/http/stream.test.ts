import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InferFrame, InferStream } from '../../protocols/infer.ts'
import { ApiError } from '../../src/http/errors.ts'
import { Channel } from '../../src/runtime/channel.ts'
import { accepted, done, post, type Running, startFake, streamOf, token } from './fake-cluster.ts'
import { closed, opened, postRaw, received } from './raw-socket.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

const asked = { model: 'demo', prompt: 'hi' }
const crash: InferFrame = {
  kind: 'failed',
  code: 'engine-crashed',
  message: 'the engine of demo ended: it is restarted',
}

/** A stream that the test feeds, and what tells that its consumer left. */
function openStream(highWater = 100) {
  let left = () => {}
  const cancelled = new Promise<void>((resolve) => {
    left = resolve
  })
  const channel = new Channel<InferFrame>({ highWater, onCancel: () => left() })
  node.cluster.answer = () => channel
  return { channel, cancelled }
}

function sendHead(body: object, path = '/api/generate'): string {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${text.length}\r\n\r\n${text}`
}

const messages = [{ role: 'user', content: 'hi' }]

interface StreamReader {
  readonly path: string
  /** Of a line or an event. */
  readonly end: string
  /** What a line or an event adds to the text, if anything. */
  readonly text: (piece: string) => string | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into it by path.
function event(piece: string): any {
  const data = piece.slice(piece.indexOf('data: ') + 'data: '.length)
  return data.startsWith('{') ? JSON.parse(data) : undefined
}

const readers: readonly StreamReader[] = [
  {
    path: '/api/generate',
    end: '\n',
    text: (line) => (line === '' ? undefined : JSON.parse(line).response || undefined),
  },
  {
    path: '/v1/chat/completions',
    end: '\n\n',
    text: (piece) => event(piece)?.choices[0]?.delta.content,
  },
  {
    path: '/v1/responses',
    end: '\n\n',
    text: (piece) => (event(piece)?.type === 'response.output_text.delta' ? event(piece).delta : undefined),
  },
  { path: '/v1/messages', end: '\n\n', text: (piece) => event(piece)?.delta?.text },
]

/** The server's own side of the next request. */
function nextResponse(): Promise<ServerResponse> {
  return new Promise((resolve) => {
    const name = 'http.server.request.start'
    const hear = (message: unknown): void => {
      unsubscribe(name, hear)
      resolve((message as { readonly response: ServerResponse }).response)
    }
    subscribe(name, hear)
  })
}

/** True once a count has begun and rests. */
function still(count: () => number): () => boolean {
  let before = -1
  return () => {
    const rests = count() > 4 && count() === before
    before = count()
    return rests
  }
}

/** What was written at once, each, of a body in chunks. */
function chunksOf(answer: string): string[] {
  const bytes = Buffer.from(answer)
  const chunks: string[] = []
  for (let at = bytes.indexOf('\r\n\r\n') + 4; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const length = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (length === 0) return chunks
    chunks.push(bytes.toString('utf8', lineEnd + 2, lineEnd + 2 + length))
    at = lineEnd + 2 + length + 2
  }
}

describe('a failure', () => {
  it('before the first token gets a status, and a stream then answers JSON without a charset', async () => {
    node.cluster.answer = () => streamOf([accepted, { kind: 'progress', phase: 'loading', done: 1, total: 2 }, crash])
    const { status, type, json } = await post(`${node.url}/api/generate`, asked)
    expect([status, type, json]).toEqual([500, 'application/json', { error: crash.kind === 'failed' && crash.message }])
    const whole = await post(`${node.url}/api/generate`, { ...asked, stream: false })
    expect([whole.status, whole.type]).toEqual([500, 'application/json; charset=utf-8'])
  })

  it('after it is the last line of a stream that began with 200', async () => {
    node.cluster.answer = () => streamOf([accepted, token(0, 'a'), token(1, 'b'), crash])
    const { status, lines } = await post(`${node.url}/api/chat`, { model: 'demo', messages: [{ role: 'user' }] })
    expect(status).toBe(200)
    expect(lines).toHaveLength(3)
    expect(lines[2]).toEqual({ error: 'the engine of demo ended: it is restarted' })
  })

  it('after the first token gets a status where nothing was streamed', async () => {
    node.cluster.answer = () => streamOf([accepted, token(0, 'a'), crash])
    expect((await post(`${node.url}/api/generate`, { ...asked, stream: false })).status).toBe(500)
  })

  it('of a stream that ends without a result is said, never a clean end', async () => {
    node.cluster.answer = () => streamOf([accepted, token(0, 'a')])
    const { lines } = await post(`${node.url}/api/generate`, asked)
    expect(lines[1]?.error).toContain('ended without a result')
    node.cluster.answer = () => streamOf([accepted])
    expect((await post(`${node.url}/api/generate`, asked)).status).toBe(500)
  })

  it.each([
    [{ code: 'invalid-request', message: 'option "temperature" must be of type float32' }, 500],
    [{ code: 'invalid-request', message: 'the template cannot render this' }, 400],
    [{ code: 'context-exceeded', message: 'the prompt is longer than the context' }, 400],
    [{ code: 'load-failed', message: 'no memory' }, 500],
    [{ code: 'deadline', message: 'not done within 5 ms' }, 504],
    [{ code: 'link-lost', message: 'the link to b broke' }, 502],
    [{ code: 'stalled', message: 'b said nothing for 1500 ms' }, 504],
  ] as const)('%j before the first token answers %d with its message', async (failure, status) => {
    node.cluster.answer = () => streamOf([accepted, { kind: 'failed', ...failure }])
    const answer = await post(`${node.url}/api/generate`, asked)
    expect([answer.status, answer.json]).toEqual([status, { error: failure.message }])
  })

  it.each([
    ['busy', 503, 'server busy, please try again.  maximum pending requests exceeded'],
    ['draining', 503, 'this node is shutting down: send the request to another node'],
    ['no-such-model', 404, "model 'demo' not found"],
    ['insufficient-memory', 500, 'model requires more system memory (2 GiB) than is available (1 GiB)'],
  ] as const)('%s of every worker answers %d', async (reason, status, error) => {
    const message = 'model requires more system memory (2 GiB) than is available (1 GiB)'
    const load = { active: 0, waiting: 0, slots: 1 }
    node.cluster.answer = () => streamOf([{ kind: 'refused', reason, message, load }])
    const answer = await post(`${node.url}/api/generate`, asked)
    expect([answer.status, answer.json]).toEqual([status, { error }])
  })

  it('by the admission gets the status and words of its code', async () => {
    node.cluster.answer = () => Promise.reject(new ApiError('busy'))
    const answer = await post(`${node.url}/api/generate`, asked)
    expect(answer.status).toBe(503)
    expect(answer.json?.error).toBe('server busy, please try again.  maximum pending requests exceeded')
    expect(answer.type).toBe('application/json; charset=utf-8')
  })

  it('that is a defect answers 500 and is logged', async () => {
    node.cluster.answer = () => Promise.reject(new TypeError('x is not a function'))
    const answer = await post(`${node.url}/api/generate`, asked)
    expect([answer.status, answer.json]).toEqual([500, { error: 'internal error: x is not a function' }])
    expect(node.logged).toEqual(['a request ended in a defect'])
  })
})

describe('a stream', () => {
  it('sends each batch when it comes, in one chunk', async () => {
    const { channel } = openStream()
    const socket = await opened(node.port)
    socket.write(sendHead(asked))
    channel.push(accepted)
    channel.push(token(0, 'a'))
    channel.push(token(1, 'b'))
    const first = await received(socket, '"b"')
    expect(first.toLowerCase()).toContain('transfer-encoding: chunked')
    const chunk = first.slice(first.indexOf('\r\n\r\n') + 4)
    const [length, lines = ''] = chunk.split('\r\n')
    expect(Number.parseInt(length ?? '', 16)).toBe(lines.length)
    expect(lines.trim().split('\n')).toHaveLength(2)
    channel.push(done())
    channel.end()
    await received(socket, '"done":true')
    socket.destroy()
  })

  it('writes nothing before the first text, and no line for tokens that are not yet text', async () => {
    node.cluster.answer = () =>
      streamOf([accepted, { kind: 'token', index: 0, tokens: [9], text: '' }, token(1, 'é'), done()])
    const { lines } = await post(`${node.url}/api/generate`, asked)
    expect(lines.map(({ response }) => response)).toEqual(['é', ''])
    expect(lines[1]?.context).toEqual([1, 2, 3, 4, 5, 9, 101])
  })

  it('is readable line by line whatever the text is', async () => {
    const text = '\n\r\u2028"\\\u0000\ud83d<&>🙂'
    node.cluster.answer = () => streamOf([accepted, token(0, text), done()])
    const { lines } = await post(`${node.url}/api/chat`, { model: 'demo', messages: [{ role: 'user' }] })
    expect(lines[0]?.message).toEqual({ role: 'assistant', content: text })
  })

  it('is left as soon as the client goes, with a token sent or none', async () => {
    for (const frames of [[accepted], [accepted, token(0, 'a')]]) {
      const { channel, cancelled } = openStream()
      const socket = await opened(node.port)
      const requests = node.cluster.requests.length
      socket.write(sendHead(asked))
      for (const frame of frames) channel.push(frame)
      if (frames.length > 1) await received(socket, '"a"')
      else await expect.poll(() => node.cluster.requests.length).toBe(requests + 1)
      socket.destroy()
      await cancelled
    }
  })

  it('is left when the client of a whole answer goes', async () => {
    const { channel, cancelled } = openStream()
    const socket = await opened(node.port)
    socket.write(sendHead({ ...asked, stream: false }))
    channel.push(accepted)
    channel.push(token(0, 'a'))
    await expect.poll(() => channel.waiting).toBe(0)
    socket.destroy()
    await cancelled
  })

  it('aborts an admission that the client does not wait for', async () => {
    node.cluster.answer = () => new Promise<InferStream>(() => {})
    const socket = await opened(node.port)
    socket.write(sendHead(asked))
    await expect.poll(() => node.cluster.signals.length).toBe(1)
    const [signal] = node.cluster.signals
    if (signal === undefined) throw new Error('no signal')
    const aborted = once(signal, 'abort')
    socket.destroy()
    await aborted
  })

  it('does not abort the signal of an answer that was written to its end', async () => {
    await post(`${node.url}/api/generate`, asked)
    await expect.poll(() => node.cluster.signals[0]?.aborted).toBe(false)
  })

  it.each(readers)(
    '$path stops a producer whose client does not read, and loses nothing when it does',
    async (reader) => {
      const all = 600
      const texts = Array.from({ length: all }, (_, at) => `${at} é`.padStart(64 * 1024, 'x'))
      let pushed = 0
      const produce = () => {
        while (pushed < all) if (!channel.push(token(pushed, texts[pushed++] as string))) return
        channel.push(done())
        channel.end()
      }
      const channel = new Channel<InferFrame>({ highWater: 4, onDrain: () => setImmediate(produce) })
      node.cluster.answer = () => {
        channel.push(accepted)
        produce()
        return channel
      }
      const response = nextResponse()
      const socket = await opened(node.port)
      socket.pause()
      socket.write(sendHead({ ...asked, messages, input: 'hi', max_tokens: 9, stream: true }, reader.path))
      await expect
        .poll(
          still(() => pushed),
          { interval: 200, timeout: 10_000 },
        )
        .toBe(true)
      // The rest lies in the buffers of two sockets.
      expect(pushed).toBeLessThan(all / 2)
      expect((await response).writableLength).toBeLessThan(12 * 64 * 1024)
      const answer = received(socket, '0\r\n\r\n')
      socket.resume()
      const chunks = chunksOf(await answer)
      socket.destroy()
      expect(pushed).toBe(all)
      // Each write is whole: no line and no event is cut over two.
      for (const chunk of chunks) expect(chunk.endsWith(reader.end)).toBe(true)
      const said = chunks
        .join('')
        .split(reader.end)
        .flatMap((piece) => reader.text(piece) ?? [])
      expect(said.length).toBe(all)
      expect(said.findIndex((text, at) => text !== texts[at])).toBe(-1)
    },
  )

  it('serves a client of HTTP/1.0 by closing at the end', async () => {
    const text = JSON.stringify(asked)
    const socket = await opened(node.port)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.write(`POST /api/generate HTTP/1.0\r\nhost: localhost\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
    await closed(socket)
    expect(answer).toContain('"done":true')
    expect(answer.toLowerCase()).not.toContain('chunked')
  })

  it('keeps the connection for the next request', async () => {
    const socket = await opened(node.port)
    for (let round = 0; round < 3; round++) {
      const end = received(socket, '0\r\n\r\n')
      socket.write(sendHead(asked))
      await end
    }
    expect(node.cluster.requests).toHaveLength(3)
    socket.destroy()
  })

  it('answers requests that were sent at once in their order', async () => {
    const answer = await postRaw(node.port, '/api/generate', JSON.stringify({ ...asked, stream: false }))
    expect(answer.status).toBe(200)
    const socket = await opened(node.port)
    const end = received(socket, '"version"')
    socket.write(`${sendHead(asked)}GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    const both = await end
    expect(both.indexOf('"done":true')).toBeLessThan(both.indexOf('"version"'))
    expect(both.indexOf('"done":true')).toBeGreaterThan(0)
    socket.destroy()
  })
})
