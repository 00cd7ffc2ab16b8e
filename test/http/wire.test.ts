import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, startFake } from './fake-cluster.ts'
import { exchange, opened, parseAnswer, postRaw, received, request } from './raw-socket.ts'

let node: Running
beforeAll(async () => {
  node = await startFake()
})
afterAll(() => node.listener.close())

const load = '{"model":"demo"}'

describe('the wire', () => {
  it.each([
    ['no content type', []],
    ['what curl sends', ['content-type: application/x-www-form-urlencoded']],
    ['plain text', ['content-type: text/plain']],
    ['a content type that is none', ['content-type: ;;;']],
  ])('reads a body as JSON with %s', async (_, headers) => {
    const answer = await postRaw(node.port, '/api/generate', load, headers)
    expect(answer.status).toBe(200)
    expect(answer.head).toContain('content-type: application/json; charset=utf-8')
    expect(JSON.parse(answer.body)).toMatchObject({ model: 'demo', done_reason: 'load' })
  })

  it('reads a chunked body without a content type', async () => {
    const chunked = `${load.length.toString(16)}\r\n${load}\r\n0\r\n\r\n`
    const answer = await request(node.port, 'POST /api/generate', ['transfer-encoding: chunked'], chunked)
    expect(answer.status).toBe(200)
  })

  it('ignores what follows the first JSON value', async () => {
    const answer = await postRaw(node.port, '/api/generate', `  ${load} trailing {"model":"other"}`)
    expect(JSON.parse(answer.body)).toMatchObject({ model: 'demo' })
  })

  it('does not add a newline to a single JSON object', async () => {
    const answer = await request(node.port, 'GET /api/version')
    expect(answer.body).toMatch(/^\{"version":"\d+\.\d+\.\d+"\}$/)
  })

  it.each([
    ['no body', '', 'missing request body'],
    ['only white space', ' \n ', 'missing request body'],
    ['half an object', '{"model":"dem', 'unexpected EOF'],
    ['no JSON', 'model=demo', "invalid character 'm' looking for beginning of value"],
  ])('answers 400 in its own error shape to %s', async (_, body, words) => {
    const answer = await postRaw(node.port, '/api/generate', body)
    expect(answer.status).toBe(400)
    expect(answer.head).toContain('content-type: application/json; charset=utf-8')
    expect(answer.body).toBe(JSON.stringify({ error: words }))
  })

  it.each(['[]', '1', '"model"', 'true', '{"a":}', '{]}'])('answers 400 to the body %s', async (body) => {
    const answer = await postRaw(node.port, '/api/chat', body)
    expect(answer.status).toBe(400)
    expect(Object.keys(JSON.parse(answer.body))).toEqual(['error'])
  })

  it('matches keys in any case, ignores unknown ones and takes null as absent', async () => {
    const body = '{"MODEL":"other","Model":"demo","Prompt":null,"nonsense":{"model":"x"},"STREAM":false}'
    const answer = await postRaw(node.port, '/api/generate', body)
    expect(JSON.parse(answer.body)).toMatchObject({ model: 'demo', done_reason: 'load' })
  })

  it.each([
    ['GET', '/nowhere'],
    ['POST', '/api'],
    ['POST', '/api/generate/more'],
    ['PROPFIND', '/nowhere'],
  ])('answers plain text 404 to %s %s', async (method, path) => {
    const answer = await request(node.port, `${method} ${path}`)
    expect([answer.status, answer.body]).toEqual([404, '404 page not found'])
    expect(answer.head).toContain('content-type: text/plain')
  })

  it('answers 404 without reading a body of any kind', async () => {
    const answer = await postRaw(node.port, '/nowhere', 'not json')
    expect([answer.status, answer.body]).toEqual([404, '404 page not found'])
  })

  it.each([
    ['GET', '/api/generate', 'POST'],
    ['POST', '/api/tags', 'GET, HEAD'],
    ['HEAD', '/api/ps', 'GET'],
    ['PROPFIND', '/api/chat', 'POST'],
    ['GET', '/omx/v1/models/demo', 'PUT'],
  ])('answers plain text 405 with Allow to %s %s', async (method, path, allow) => {
    const answer = await request(node.port, `${method} ${path}`)
    expect(answer.status).toBe(405)
    expect(answer.head).toContain(`allow: ${allow.toLowerCase()}`)
    expect(answer.head).toContain('content-type: text/plain')
    if (method !== 'HEAD') expect(answer.body).toBe('405 method not allowed')
  })

  it.each([
    ['GET', '/api/version/', 301, '/api/version'],
    ['HEAD', '/api/version/?x=1', 307, '/api/version?x=1'],
    ['POST', '/api/generate/', 307, '/api/generate'],
    ['GET', '/v1/models/', 301, '/v1/models'],
    ['GET', '//api/version', 307, '/api/version'],
    ['POST', '/api//generate//?x=/./', 307, '/api/generate/?x=/./'],
    ['GET', '/api/./version', 307, '/api/version'],
    ['GET', '/api/x/../version', 307, '/api/version'],
    ['GET', '/api/version/.', 307, '/api/version'],
    ['GET', '/../../api/version', 307, '/api/version'],
    ['GET', '/nowhere/../no"where', 307, '/no"where'],
    ['GET', '//', 307, '/'],
    ['GET', '//\\example.com/', 307, '/%5Cexample.com/'],
  ])('sends %s %s on with %d to %s', async (method, path, status, location) => {
    const answer = await request(node.port, `${method} ${path}`)
    expect(answer.status).toBe(status)
    expect(answer.head.split('\r\n')).toContain(`location: ${location}`.toLowerCase())
    if (method === 'GET') expect(answer.body).toMatch(/^<a href="[^"]+">[\w ]+<\/a>\.\n\n$/)
    else expect(answer.body).toBe('')
  })

  it.each(['/api/nothing/', '/API/version', '/api/%2e/version', '/api/.version', '/api/version../'])(
    'answers 404 to GET %s, which is nothing else',
    async (path) => {
      expect((await request(node.port, `GET ${path}`)).status).toBe(404)
    },
  )

  it('answers 404 to a method that a path with a slash at its end does not have', async () => {
    expect((await request(node.port, 'DELETE /api/version/')).status).toBe(404)
  })

  it('takes the slash of a registry for a part of its path', async () => {
    expect((await request(node.port, 'GET /v2/')).status).toBe(200)
  })

  it.each(['/', '/api/version', '/api/tags'])('answers HEAD %s without a body', async (path) => {
    const answer = await request(node.port, `HEAD ${path}`)
    expect([answer.status, answer.body]).toEqual([200, ''])
  })

  it('greets as Ollama does', async () => {
    const answer = await request(node.port, 'GET /')
    expect(answer.body).toBe('Ollama is running')
    expect(answer.head).toContain('content-type: text/plain; charset=utf-8')
  })

  it('refuses a body above its limit with 413 and what the limit is', async () => {
    const answer = await request(node.port, 'POST /api/chat', ['content-length: 33554433'], '{')
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.body)).toEqual({ error: "the request's body is larger than 33554432 bytes" })
  })

  it('counts the bytes of a body that does not announce its length', async () => {
    const body = new ReadableStream({
      start: (controller) => {
        const megabyte = new Uint8Array(1024 * 1024).fill(0x20)
        for (let sent = 0; sent < 34; sent++) controller.enqueue(megabyte)
        controller.close()
      },
    })
    const response = await fetch(`${node.url}/api/chat`, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(response.status).toBe(413)
  })

  it('hears a body that is too large to its end, so that its client gets to read why, and serves the next', async () => {
    const socket = await opened(node.port)
    const answer = received(socket, '33554432 bytes')
    const rest = 'x'.repeat(33_554_433)
    socket.write(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${rest.length}\r\n\r\n`)
    expect((await answer).toLowerCase()).not.toContain('connection: close')
    const next = received(socket, '"version"')
    socket.write(`${rest}GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    expect(await next).toContain('200 OK')
    socket.destroy()
  })

  it('answers 400 in its own shape to a path that cannot be decoded', async () => {
    const answer = await request(node.port, 'PUT /omx/v1/models/%zz', ['content-length: 0'])
    expect(answer.status).toBe(400)
    expect(Object.keys(JSON.parse(answer.body))).toEqual(['error'])
  })

  it('answers 400 in its own shape to bytes that are not HTTP', async () => {
    const answer = parseAnswer(await exchange(node.port, 'hello there\r\n\r\n'))
    expect([answer.status, JSON.parse(answer.body)]).toEqual([400, { error: 'this is not an HTTP request' }])
  })

  it('answers 431 to headers that never end', async () => {
    const answer = parseAnswer(await exchange(node.port, `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`))
    expect(answer.status).toBe(431)
  })
})
