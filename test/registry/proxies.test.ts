import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { Exchange } from '../../src/registry/exchange.ts'
import { type Proxies, proxiesIn } from '../../src/registry/proxies.ts'
import { place, tinyPath } from './place.ts'
import { TestRegistry } from './server.ts'

/** Leads every host to this machine, and remembers what it was asked for. */
async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = []
  const server: Server = createServer((incoming: IncomingMessage, response) => {
    const { url = '', method, headers } = incoming
    asked.push(`${method} ${new URL(url).host}`)
    const { port, pathname } = new URL(url)
    incoming.pipe(
      request({ host: '127.0.0.1', port, path: pathname, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      }),
    )
  })
  server.on('connect', (incoming: IncomingMessage, socket) => {
    asked.push(`CONNECT ${incoming.url}`)
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const none: Proxies = { http: undefined, https: undefined, no: '' }

it('a pull goes through HTTP_PROXY, which alone has to know the name of the registry', async () => {
  const [registry, proxy] = [await TestRegistry.start(), await startProxy()]
  registry.add('tiny', await readFile(tinyPath))
  const { port } = new URL(registry.url)
  const { run, catalog } = await place({ proxies: { ...none, http: proxy.url } })
  await run(`http://registry.invalid:${port}/library/tiny`)
  expect((await catalog.list()).map(({ name }) => name)).toEqual([`registry.invalid:${port}/library/tiny:latest`])
  expect(new Set(proxy.asked)).toContain(`GET registry.invalid:${port}`)
})

it('what goes over TLS asks HTTPS_PROXY for a tunnel, and says what that answers', async () => {
  const proxy = await startProxy()
  using exchange = new Exchange({ proxies: { ...none, https: proxy.url } })
  const { signal } = new AbortController()
  const url = new URL('https://registry.invalid/v2/')
  const answer = exchange.send({ method: 'GET', url, headers: {}, signal, allowsPrivate: true })
  await expect(answer).rejects.toThrow(/^registry\.invalid cannot be reached: .*403/)
  expect(proxy.asked).toEqual(['CONNECT registry.invalid:443'])
})

it('no proxy is asked for this machine, nor for a host of NO_PROXY', async () => {
  const [registry, proxy] = [await TestRegistry.start(), await startProxy()]
  registry.add('tiny', await readFile(tinyPath))
  const { run, catalog } = await place({ proxies: proxiesIn({ HTTP_PROXY: proxy.url }) })
  await run(`${registry.url}/library/tiny`)
  expect(await catalog.list()).toHaveLength(1)
  const other = await place({ proxies: proxiesIn({ HTTP_PROXY: proxy.url, NO_PROXY: 'registry.invalid' }) })
  await expect(other.run('http://registry.invalid/library/tiny')).rejects.toThrow('cannot be reached')
  expect(proxy.asked).toEqual([])
})

it.each([
  [{ HTTPS_PROXY: 'proxy.example:3128' }, 'http://proxy.example:3128'],
  [{ HTTPS_PROXY: 'http://one', https_proxy: 'https://two' }, 'https://two'],
  [{ HTTPS_PROXY: '' }, undefined],
])('the environment %j names the proxy %s', (env, url) => {
  expect(proxiesIn(env).https).toBe(url)
})

it('a proxy that is none is refused without its text, which may hold a password', () => {
  expect(() => proxiesIn({ HTTP_PROXY: 'ftp://me:secret@proxy' })).toThrow(
    'HTTP_PROXY names no proxy: it needs the form http://HOST:PORT',
  )
})
