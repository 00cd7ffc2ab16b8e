import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransitionLine } from '../../protocols/operations.ts'
import { ApiError } from '../../src/http/errors.ts'
import type { OperationsServices } from '../../src/http/services.ts'
import { held, type Running, startFake } from './fake-cluster.ts'
import { closed, opened, received } from './raw-socket.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

function offer(operations: Partial<OperationsServices>): void {
  node.cluster.operations = { ...node.cluster.operations, ...operations }
}

async function restart(operations: Partial<OperationsServices>): Promise<void> {
  offer(operations)
  await node.listener.close()
  node = await startFake(node.cluster)
}

const get = (path: string) => fetch(node.url + path)
const bearer = { authorization: 'Bearer secret' }

function put(name: string, body: Uint8Array | string, headers: Record<string, string> = bearer) {
  return fetch(`${node.url}/omx/v1/models/${name}`, { method: 'PUT', body: body as string, headers })
}

describe('/omx/v1', () => {
  it('answers what the node says about its peers, models and actors', async () => {
    const asked: (string | undefined)[] = []
    await restart({
      peers: async () => ({ peers: [] }),
      models: async () => ({ models: [{ name: 'demo:latest', digest: 'd', size: 1, holders: [] }] }),
      inspect: async (peer) => {
        asked.push(peer)
        return { node: 'a', name: 'a', actors: [] }
      },
    })
    expect(await (await get('/omx/v1/peers')).json()).toEqual({ peers: [] })
    expect(await (await get('/omx/v1/models')).json()).toMatchObject({ models: [{ name: 'demo:latest' }] })
    expect(await (await get('/omx/v1/inspect?peer=b%20c')).json()).toEqual({ node: 'a', name: 'a', actors: [] })
    await get('/omx/v1/inspect')
    expect(asked).toEqual(['b c', undefined])
  })

  it('answers an unknown peer with 404 and the words of who looked', async () => {
    await restart({ inspect: () => Promise.reject(new ApiError('not-found', 'no node is called "z"')) })
    const answer = await get('/omx/v1/inspect?peer=z')
    expect([answer.status, await answer.json()]).toEqual([404, { error: 'no node is called "z"' }])
  })

  it('refuses a parameter that is given twice', async () => {
    const answer = await get('/omx/v1/inspect?peer=a&peer=b')
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error: 'query parameter "peer" is given more than once: give it once' },
    ])
  })
})

describe('following an actor', () => {
  const line: TransitionLine = { path: 'peers/a', from: 'healthy', to: 'suspect', event: 'silence', at: 5 }

  async function* untilAborted(signal: AbortSignal): AsyncGenerator<TransitionLine> {
    yield line
    if (!signal.aborted) await once(signal, 'abort')
  }

  it('streams a line per transition and ends when the client goes', async () => {
    const signals: AbortSignal[] = []
    await restart({
      follow: async (_peer, path, signal) => {
        expect(path).toBe('peers/a//b')
        signals.push(signal)
        return untilAborted(signal)
      },
    })
    const socket = await opened(node.port)
    socket.write('GET /omx/v1/inspect/follow?path=peers/a//b HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const answer = await received(socket, '"at":5')
    expect(answer).toContain('application/x-ndjson')
    socket.destroy()
    await expect.poll(() => signals[0]?.aborted).toBe(true)
  })

  it('sends its head before the first transition and does not hold a drain up', async () => {
    await restart({
      follow: async (_peer, _path, signal) =>
        (async function* () {
          await once(signal, 'abort')
          yield* []
        })(),
    })
    const socket = await opened(node.port)
    socket.write('GET /omx/v1/inspect/follow?path=peers HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await received(socket, '200 OK')
    const ended = closed(socket)
    await node.listener.drain()
    await ended
  })

  it('ends with an error line when the followed node is lost', async () => {
    await restart({
      follow: async () =>
        (async function* () {
          yield line
          throw new ApiError('link-lost', 'the link to b broke')
        })(),
    })
    const lines = (await (await get('/omx/v1/inspect/follow?path=peers/a')).text()).trim().split('\n')
    expect(lines.map((text) => JSON.parse(text))).toEqual([line, { error: 'the link to b broke' }])
  })
})

describe('/omx/v1/inspect/facts', () => {
  it('hands the cursor on, and refuses one that is none', async () => {
    const asked: unknown[] = []
    await restart({
      facts: async (peer, cursor) => {
        asked.push([peer, cursor])
        return { node: 'b', name: 'attic', facts: [], cursor: 8, missed: 0 }
      },
    })
    expect(await (await get('/omx/v1/inspect/facts?peer=attic&cursor=7')).json()).toMatchObject({ cursor: 8 })
    expect((await get('/omx/v1/inspect/facts')).status).toBe(200)
    expect(asked).toEqual([
      ['attic', 7],
      [undefined, undefined],
    ])
    for (const cursor of ['-1', 'x', '1.5']) {
      const refused = await get(`/omx/v1/inspect/facts?cursor=${cursor}`)
      expect([refused.status, await refused.json()]).toEqual([400, { error: expect.stringContaining('leave it out') }])
    }
  })
})

describe('importing a model', () => {
  it('takes the body as bytes and answers with what is now held', async () => {
    const names: string[] = []
    let bytes = 0
    await restart({
      importGguf: async (name, body) => {
        names.push(name)
        for await (const chunk of body) bytes += chunk.length
        return held
      },
    })
    const size = 3 * 1024 * 1024
    const answer = await put(encodeURIComponent('user/demo:v1'), new Uint8Array(size))
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    expect(await answer.json()).toEqual({
      status: 'success',
      model: { name: held.name, digest: held.digest, size: held.sizeBytes },
    })
    expect([names, bytes]).toEqual([['user/demo:v1'], size])
    await put('user/demo', '{not json', bearer)
    expect(names[1]).toBe('user/demo')
  })

  it.each([{}, { authorization: 'Bearer wrong' }, { authorization: 'secret' }])(
    'refuses %j and says where the token is, before anything is read',
    async (headers) => {
      const answer = await put('demo', 'x', headers as Record<string, string>)
      expect(answer.status).toBe(401)
      expect(((await answer.json()) as { error: string }).error).toContain("run.json in the node's data folder")
    },
  )

  it('refuses a name that is none', async () => {
    const answer = await put('a%20b', 'x')
    expect([answer.status, await answer.json()]).toEqual([400, { error: 'invalid model name' }])
  })

  it('answers a failure with a status while nothing was told, and with a line after that', async () => {
    let progress = false
    await restart({
      importGguf: async (_name, body, onProgress) => {
        for await (const chunk of body) {
          await new Promise((resolve) => setTimeout(resolve, progress ? 250 : 0))
          if (progress) onProgress(chunk.length)
        }
        throw new ApiError('invalid-request', 'demo.gguf is not a GGUF file')
      },
    })
    const early = await put('demo', 'xyz')
    expect([early.status, await early.json()]).toEqual([400, { error: 'demo.gguf is not a GGUF file' }])
    progress = true
    const late = await put('demo', 'xyz')
    const lines = (await late.text())
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
    expect([late.status, lines]).toEqual([200, [{ completed: 3, total: 3 }, { error: 'demo.gguf is not a GGUF file' }]])
  })

  it('fails the source when the client goes half-way', async () => {
    let failed: unknown
    await restart({
      importGguf: async (_name, body) => {
        try {
          for await (const _ of body);
        } catch (error) {
          failed = error
        }
        throw new ApiError('cancelled')
      },
    })
    const socket = await opened(node.port)
    socket.write('PUT /omx/v1/models/demo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer secret\r\n')
    socket.write('content-length: 1000\r\n\r\nGGUF')
    setTimeout(() => socket.destroy(), 50)
    await expect.poll(() => failed).toBeInstanceOf(Error)
  })
})
