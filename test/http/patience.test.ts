import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../../src/http/errors.ts'
import { type Running, startFake } from './fake-cluster.ts'
import { closed, opened, received } from './raw-socket.ts'

/** Only the listener's own timers are made to wait for the test; sockets live in real time. */
let node: Running
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  node = await startFake()
})
afterEach(async () => {
  vi.useRealTimers()
  await node.listener.close()
})

/** Resolves when the listener has begun to wait for something. */
async function waiting(): Promise<void> {
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve))
}

describe('a listener does not wait for ever', () => {
  it.each([
    ['/api/chat', '{"error":"the'],
    ['/v1/chat/completions', '{"error":{"message":"the'],
    ['/v1/messages', '{"type":"error","error":{"type":"api_error","message":"the'],
  ])('for the rest of a body: it answers 408 and closes (%s)', async (path, words) => {
    const socket = await opened(node.port)
    const answer = received(socket, '}')
    socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"model"`)
    await waiting()
    vi.advanceTimersByTime(120_000)
    expect(await answer).toContain(`${words} request's body was not complete within 120 s`)
    await closed(socket)
  })

  it('for an upload that brings nothing more: the import fails', async () => {
    let fail: (error: unknown) => void = () => {}
    const failed = new Promise((resolve) => {
      fail = resolve
    })
    await node.listener.close()
    node.cluster.operations = {
      ...node.cluster.operations,
      importGguf: async (_name, body) => {
        try {
          for await (const _ of body);
        } catch (error) {
          fail(error)
        }
        throw new ApiError('cancelled')
      },
    }
    node = await startFake(node.cluster)
    const socket = await opened(node.port)
    socket.write('PUT /omx/v1/models/demo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer secret\r\n')
    socket.write('content-length: 1000\r\n\r\nGGUF')
    await waiting()
    vi.advanceTimersByTime(60_000)
    expect(await failed).toMatchObject({ code: 'body-timeout', message: 'the upload brought nothing for 60 s' })
    await closed(socket)
  })
})
