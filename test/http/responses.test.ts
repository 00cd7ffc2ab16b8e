import { describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import { Responses } from '../../src/http/responses.ts'
import { done, token } from './fake-cluster.ts'

const failed: InferFrame = { kind: 'failed', code: 'internal', message: 'x' }

async function read(stream: AsyncIterable<readonly InferFrame[]>): Promise<InferFrame[]> {
  const frames: InferFrame[] = []
  for await (const batch of stream) frames.push(...batch)
  return frames
}

describe('an open response', () => {
  it('gives its reader what was pushed and then its one end', async () => {
    const responses = new Responses()
    const response = responses.open('r', () => {})
    response.push(token(0, 'a'))
    response.push(token(1, 'b'))
    responses.end('r', done())
    responses.end('r', failed)
    expect((await read(response)).map(({ kind }) => kind)).toEqual(['token', 'token', 'done'])
  })

  it('is found by its id until it has ended', () => {
    const responses = new Responses()
    const response = responses.open('r', () => {})
    expect(responses.get('r')).toBe(response)
    responses.end('r', done())
    expect(responses.get('r')).toBeUndefined()
  })

  it("that was forgotten is not found, and its end is nobody's", () => {
    const responses = new Responses()
    responses.open('r', () => {})
    responses.forget('r')
    expect(responses.get('r')).toBeUndefined()
    expect(() => responses.end('r', done())).not.toThrow()
  })

  it('counts tokens, so that the next index and what could be resumed are known', () => {
    const response = new Responses().open('r', () => {})
    expect(response.resume).toBeUndefined()
    response.push({ kind: 'token', index: 0, tokens: [5, 6], text: 'ab' })
    response.push({ kind: 'token', index: 2, tokens: [7], text: 'c' })
    expect(response.nextIndex).toBe(3)
    expect(response.resume).toEqual({ tokens: [5, 6, 7] })
  })

  it('keeps a bounded copy: an answer longer than that cannot be resumed', () => {
    const response = new Responses().open('r', () => {})
    const tokens = Array.from({ length: 1000 }, (_, n) => n)
    for (let i = 0; i < 132; i++) response.push({ kind: 'token', index: i * 1000, tokens, text: '' })
    expect(response.nextIndex).toBe(132_000)
    expect(response.resume).toBeUndefined()
  })

  it('names the worker that accepted it last', () => {
    const response = new Responses().open('r', () => {})
    expect(response.worker).toBeUndefined()
    response.acceptedBy('p')
    response.acceptedBy('q')
    expect(response.worker).toBe('q')
  })

  it('asks for a pause when its client is slow, and says when there is room again', async () => {
    const response = new Responses().open('r', () => {})
    const pushed = Array.from({ length: 64 }, (_, index) => response.push(token(index, 'x')))
    expect(pushed.slice(0, 63).every(Boolean)).toBe(true)
    expect(pushed[63]).toBe(false)
    const drained = response.drained()
    await response[Symbol.asyncIterator]().next()
    await drained
    expect(response.push(token(64, 'x'))).toBe(true)
  })

  it('tells once that its client has gone, lets nobody wait for it, and is forgotten', async () => {
    const responses = new Responses()
    let gone = 0
    const response = responses.open('r', () => void gone++)
    for (let index = 0; index < 64; index++) response.push(token(index, 'x'))
    const drained = response.drained()
    const reader = response[Symbol.asyncIterator]()
    await reader.return?.()
    await reader.return?.()
    await drained
    expect(gone).toBe(1)
    expect(responses.get('r')).toBeUndefined()
  })

  it('whose client leaves after the end tells nobody', async () => {
    const responses = new Responses()
    let gone = 0
    const response = responses.open('r', () => void gone++)
    responses.end('r', done())
    await read(response)
    expect(gone).toBe(0)
  })
})
