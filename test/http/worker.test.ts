import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Responses } from '../../src/http/responses.ts'
import { done, post, type Running, startFake, token } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

const crash = { kind: 'failed', code: 'engine-crashed', message: 'the engine ended' } as const
const vector = { kind: 'embedding', index: 0, vector: Float32Array.of(1, 0) } as const

/** An open response of the real kind, as the next request's answer. */
function nextAnswer() {
  const responses = new Responses()
  const response = responses.open('1', () => {})
  node.cluster.answer = () => response
  return { response, responses }
}

async function workerOf(path: string, body: object): Promise<string | null> {
  const answer = await fetch(node.url + path, { method: 'POST', body: JSON.stringify({ model: 'demo', ...body }) })
  await answer.text()
  return answer.headers.get('x-omx-node')
}

describe('the head of an answer', () => {
  it('names the node that computes a stream before its first token', async () => {
    const { response, responses } = nextAnswer()
    const head = fetch(`${node.url}/api/generate`, {
      method: 'POST',
      body: JSON.stringify({ model: 'demo', prompt: 'hi' }),
    })
    response.acceptedBy('worker-a')
    response.push(token(0, 'a'))
    const answer = await head
    expect(answer.headers.get('x-omx-node')).toBe('worker-a')
    responses.end('1', done())
    expect(await answer.text()).toContain('"done":true')
  })

  it.each([
    ['/api/generate', { prompt: 'hi', stream: false }],
    ['/api/generate', { prompt: '' }],
    ['/api/chat', { messages: [{ role: 'user', content: 'hi' }], stream: false }],
  ])('names it for a whole answer of %s to %j', async (path, body) => {
    const { response, responses } = nextAnswer()
    response.acceptedBy('worker-a')
    responses.end('1', done())
    expect(await workerOf(path, body)).toBe('worker-a')
  })

  it('names it for vectors', async () => {
    const { response, responses } = nextAnswer()
    response.acceptedBy('worker-a')
    response.push(vector)
    responses.end('1', done())
    expect(await workerOf('/api/embed', { input: 'hi' })).toBe('worker-a')
  })

  it('names the last of several that accepted it, the one whose answer is sent', async () => {
    const { response, responses } = nextAnswer()
    response.acceptedBy('worker-a')
    response.acceptedBy('worker-b')
    response.push(token(0, 'a'))
    responses.end('1', done())
    expect(await workerOf('/api/generate', { prompt: 'hi' })).toBe('worker-b')
  })

  it('names the worker that failed, and nobody where no worker accepted', async () => {
    const failed = nextAnswer()
    failed.response.acceptedBy('worker-a')
    failed.responses.end('1', crash)
    expect(await workerOf('/api/generate', { prompt: 'hi' })).toBe('worker-a')
    nextAnswer().responses.end('1', { ...crash, code: 'deadline' })
    expect(await workerOf('/api/generate', { prompt: 'hi' })).toBeNull()
  })

  it('names nobody where there was nothing to compute', async () => {
    const { status } = await post(`${node.url}/api/generate`, { model: 'nobody', prompt: 'hi' })
    expect(status).toBe(404)
    expect(await workerOf('/api/generate', { model: 'nobody', prompt: 'hi' })).toBeNull()
  })
})
