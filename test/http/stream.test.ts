import { once } from 'node:events'
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

  it('stops a producer whose client does not read, and goes on when it does', async () => {
    const text = 'x'.repeat(64 * 1024)
    let pushed = 0
    let paused = 0
    const most = 600
    const produce = () => {
      while (pushed < most) if (!channel.push(token(pushed++, text))) return void paused++
      channel.push(done())
      channel.end()
    }
    const channel = new Channel<InferFrame>({ highWater: 4, onDrain: () => setImmediate(produce) })
    node.cluster.answer = () => {
      channel.push(accepted)
      produce()
      return channel
    }
    const socket = await opened(node.port)
    socket.pause()
    socket.write(sendHead(asked))
    let before = -1
    await expect
      .poll(
        () => {
          const still = pushed > 4 && pushed === before
          before = pushed
          return still
        },
        { interval: 200, timeout: 10_000 },
      )
      .toBe(true)
    expect(pushed).toBeLessThan(most / 2)
    const stoppedAt = pushed
    const answer = received(socket, '"done":true')
    socket.resume()
    await answer
    expect(pushed).toBe(most)
    expect(paused).toBeGreaterThan(stoppedAt / 4 - 1)
    socket.destroy()
  })

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
