import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Running, startFake } from './fake-cluster.ts'
import { exchange, parseAnswer } from './raw-socket.ts'

let node: Running
beforeAll(async () => {
  node = await startFake()
})
afterAll(() => node.listener.close())

async function ask(method: string, headers: readonly string[], port = node.port) {
  const head = [`${method} /api/version HTTP/1.1`, 'connection: close', ...headers]
  return parseAnswer(await exchange(port, `${head.join('\r\n')}\r\n\r\n`))
}

describe('web pages', () => {
  it.each(['http://evil.example', 'null', 'https://localhost.evil.example', 'http://127.0.0.1.evil.example'])(
    'from %s get 403 without a body',
    async (origin) => {
      const answer = await ask('GET', ['host: localhost', `origin: ${origin}`])
      expect([answer.status, answer.body]).toEqual([403, ''])
    },
  )

  it.each([
    'http://localhost:3000',
    'https://127.0.0.1',
    'app://obsidian.md',
    'vscode-webview://abc',
    'tauri://localhost',
  ])('from %s may read answers', async (origin) => {
    const answer = await ask('GET', ['host: localhost:1', `origin: ${origin}`])
    expect(answer.status).toBe(200)
    expect(answer.head).toContain(`access-control-allow-origin: ${origin}`)
    expect(answer.head).toContain('vary: origin')
  })

  it('of the listener itself need no permission', async () => {
    const answer = await ask('GET', ['host: 10.0.0.7:11434', 'origin: http://10.0.0.7:11434'])
    expect(answer.status).toBe(200)
    expect(answer.head).not.toContain('access-control')
  })

  it('get a preflight answered for any path', async () => {
    const answer = await ask('OPTIONS', ['host: localhost', 'origin: http://localhost:3000'])
    expect(answer.status).toBe(204)
    expect(answer.head).toContain('access-control-allow-methods: get,post,put,patch,delete,head,options')
    expect(answer.head).toContain('access-control-allow-headers: authorization,content-type')
    expect(answer.head).toContain('access-control-max-age: 43200')
  })
})

describe('web pages that were invited by hand', () => {
  it.each([
    ['https://chat.example', 'https://chat.example', 200],
    ['https://chat.example', 'https://chat.example.evil', 403],
    ['chrome-extension://*', 'chrome-extension://abc', 200],
    ['chrome-extension://*', 'moz-extension://abc', 403],
    ['https://*.example', 'https://a.b.example', 200],
    ['https://a*a.example', 'https://a.example', 403],
  ])('as %s: %s gets %i', async (origins, origin, status) => {
    const invited = await startFake(undefined, { origins: [origins] })
    onTestFinished(() => invited.listener.close())
    const answer = await ask('GET', ['host: localhost', `origin: ${origin}`], invited.port)
    expect(answer.status).toBe(status)
    if (status === 200) expect(answer.head).toContain(`access-control-allow-origin: ${origin}`)
    const usual = await ask('GET', ['host: localhost', 'origin: http://localhost:3000'], invited.port)
    expect(usual.status).toBe(200)
  })

  it('as *: every page may read, the one without an origin of its own too', async () => {
    const invited = await startFake(undefined, { origins: ['*'] })
    onTestFinished(() => invited.listener.close())
    for (const origin of ['null', 'http://evil.example']) {
      for (const method of ['GET', 'OPTIONS']) {
        const { status, head } = await ask(method, ['host: localhost', `origin: ${origin}`], invited.port)
        expect(status).toBe(method === 'GET' ? 200 : 204)
        expect(head).toContain('access-control-allow-origin: *')
        expect(head).not.toContain('vary')
      }
    }
  })
})

describe('a listener on loopback', () => {
  it('answers OPTIONS to a local name with 204, and to an address as any unknown method', async () => {
    expect((await ask('OPTIONS', ['host: localhost:11434'])).status).toBe(204)
    expect((await ask('OPTIONS', ['host: 127.0.0.1:11434'])).status).toBe(405)
  })

  it.each(['evil.example', 'localhost.evil.example:11434', '8.8.8.8'])('refuses the host %s', async (host) => {
    const answer = await ask('GET', [`host: ${host}`])
    expect([answer.status, answer.body]).toEqual([403, ''])
  })

  it.each([
    'localhost:11434',
    '127.0.0.1',
    '[::1]:11434',
    '0.0.0.0:1',
    '192.168.1.5',
    'ollama.local',
    'host.docker.internal:11434',
  ])('answers for the host %s', async (host) => {
    expect((await ask('GET', [`host: ${host}`])).status).toBe(200)
  })
})

describe('any header of a host and an origin', () => {
  it('is let in or refused, and never a defect', async () => {
    const piece = fc.constantFrom(
      ...[
        'localhost',
        '127.0.0.1',
        '[::1]',
        '[',
        ']',
        ':',
        ':11434',
        '.local',
        '%',
        'fe80::1%lo',
        '[fe80::1%25lo]',
        '::',
      ],
      ...['http://', 'app://', '*', '.', '@', 'evil.example', ' ', ',', '[::ffff:10.0.0.1]', '1e3', '[1%2]', '%eth0'],
    )
    const header = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(header, header, fc.boolean(), async (host, origin, isPage) => {
        const headers = [`host: ${host}`, ...(isPage ? [`origin: ${origin}`] : [])]
        expect([200, 204, 403]).toContain((await ask('GET', headers)).status)
      }),
      { numRuns: 150 },
    )
  })
})
