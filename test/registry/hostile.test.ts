import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { place, tinyPath } from './place.ts'
import { sendRange, TestRegistry, type Trick } from './server.ts'

/** Of `place`: three tries a few milliseconds apart; silence counts from 200 ms on, and what is read as a whole has a second. */
const limits = { maxSilenceMs: 200, maxWholeMs: 1000 }

/** So that a row fails where it should have ended: all tries and silences together take less than three seconds. */
const boundMs = 5_000

const mebibyte = 1024 * 1024
const modelType = 'application/vnd.ollama.image.model'
const configType = 'application/vnd.docker.container.image.v1+json'
const hexA = 'a'.repeat(64)

/** A registry with the model `x`; its model's digest is `digest`. */
async function hostile(trick: (server: TestRegistry, digest: string) => Trick) {
  const server = await TestRegistry.start()
  const [digest = ''] = server.add('x', await readFile(tinyPath))
  server.trick = trick(server, digest)
  return { server, digest, model: `${server.url}/library/x` }
}

/** What the storage answers for the model's bytes. */
function storage(answer: (response: ServerResponse, blob: Buffer, range: string) => void) {
  return (server: TestRegistry, digest: string): Trick =>
    (request, response, url) => {
      if (url.pathname !== `/storage/${digest}`) return false
      answer(response, server.blobs.get(digest) as Buffer, request.headers.range ?? '')
      return true
    }
}

/** What the registry answers for the manifest. */
function manifest(answer: (response: ServerResponse, bytes: Buffer) => void) {
  return (server: TestRegistry): Trick =>
    (_request, response, url) => {
      const bytes = server.manifests.get(url.pathname)
      if (bytes !== undefined) answer(response, bytes)
      return bytes !== undefined
    }
}

/** A manifest of these layers. */
function layers(...digests: readonly (readonly [type: string, digest: string, size: number])[]) {
  const [config, ...rest] = digests.map(([mediaType, digest, size]) => ({ mediaType, digest, size }))
  return manifest((response) => response.end(JSON.stringify({ schemaVersion: 2, config, layers: rest })))
}

/** Bytes without an end, as fast as they are taken. */
function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x')));
  }
  response.on('drain', more)
  more()
}

/** A byte at a time, too often to be silent. */
function dripping(response: ServerResponse): void {
  response.write('{')
  const timer = setInterval(() => response.write(' '), 50)
  response.on('close', () => clearInterval(timer))
}

const part = (response: ServerResponse, blob: Buffer, headers: Record<string, string | number>) =>
  response.writeHead(206, { 'content-range': `bytes 0-${blob.length - 1}/${blob.length}`, ...headers })

describe('a registry whose blob', () => {
  it.each<[string, ReturnType<typeof storage>, string]>([
    ['is not there', storage((response) => response.writeHead(404).end()), 'file does not exist'],
    [
      'ends early each time',
      storage((response, blob) => {
        part(response, blob, {}).end(blob.subarray(0, 1000))
      }),
      'max retries exceeded: 127.0.0.1:PORT answers the request for a part of a blob with an end after 1000 bytes',
    ],
    [
      'breaks off each time',
      storage((response, blob) => {
        part(response, blob, { 'content-length': blob.length }).write(blob.subarray(0, 1000), () => response.destroy())
      }),
      'max retries exceeded: 127.0.0.1:PORT cannot be reached: ECONNRESET',
    ],
    [
      'breaks off after a piece each time and has no ranges',
      storage((response, blob) => {
        response.writeHead(200, { 'content-length': blob.length })
        response.write(blob.subarray(0, 1.2 * mebibyte), () => response.destroy())
      }),
      'max retries exceeded: 127.0.0.1:PORT cannot be reached: ECONNRESET',
    ],
    ['stops coming', storage((response, blob) => void part(response, blob, {}).write('x')), 'sent nothing for 0.2 s'],
    ['never comes', storage(() => undefined), 'sent nothing for 0.2 s'],
    [
      'is another range',
      storage((response, blob) => {
        part(response, blob, { 'content-range': `bytes 1-${blob.length}/${blob.length}` }).end(blob)
      }),
      'with range bytes 1-',
    ],
    [
      'is of another length in its range',
      storage((response, blob) => {
        part(response, blob, { 'content-range': `bytes 0-${blob.length - 1}/99` }).end(blob)
      }),
      '/99',
    ],
    [
      'is a part of no range',
      storage((response, blob) => {
        response.writeHead(206).end(blob)
      }),
      'with range undefined',
    ],
    [
      'is shorter than it says',
      storage((response, blob) => {
        response.writeHead(200, { 'content-length': 10 }).end(blob.subarray(0, 10))
      }),
      'with 10 bytes instead of',
    ],
    [
      'is compressed',
      storage((response, blob) => {
        part(response, blob, { 'content-encoding': 'gzip' }).end(blob)
      }),
      'with gzip bytes',
    ],
    ['is said to be nothing new', storage((response) => response.writeHead(304).end()), '304: Not Modified'],
    ['is refused without an end', storage((response) => endless(response.writeHead(403))), '403: xxxx'],
    ['is refused a byte at a time', storage((response) => dripping(response.writeHead(403))), '403: unauthorized'],
    [
      'is sent round in circles',
      storage((response) => response.writeHead(307, { location: '?again' }).end()),
      'redirects more than 5 times',
    ],
    [
      'is sent to nowhere',
      storage((response) => response.writeHead(307, { location: 'http://' }).end()),
      'redirects to no URL',
    ],
    [
      'is sent to a file',
      storage((response) => response.writeHead(307, { location: 'file:///etc/passwd' }).end()),
      'insecure protocol',
    ],
  ])(
    '%s is told of in words, and nothing of it gets a name',
    async (_, trick, words) => {
      const { model, digest, server } = await hostile(trick)
      const { run, blobs, catalog } = await place(limits)
      await expect(run(model)).rejects.toThrow(words.replace('PORT', new URL(server.url).port))
      expect(await blobs()).not.toContain(digest.replace(':', '-'))
      expect(await catalog.list()).toEqual([])
    },
    boundMs,
  )
})

describe('a registry whose blob goes on after its end', () => {
  it.each<[string, ReturnType<typeof storage>]>([
    ['for ever', storage((response, blob) => void part(response, blob, {}).write(blob, () => endless(response)))],
    [
      'by a byte',
      storage((response, blob) => {
        const more = Buffer.concat([blob, Buffer.alloc(1)])
        part(response, blob, { 'content-length': more.length }).end(more)
      }),
    ],
    [
      'only to break off there',
      storage((response, blob) => void part(response, blob, {}).write(blob, () => response.destroy())),
    ],
  ])(
    '%s is left there, and the digest decides',
    async (_, trick) => {
      const { model, digest, server } = await hostile(trick)
      const { run, catalog } = await place(limits)
      await run(model)
      expect(await catalog.list()).toHaveLength(1)
      expect(server.asked.filter(({ line }) => line === `GET /storage/${digest}`)).toHaveLength(1)
    },
    boundMs,
  )
})

describe('a registry whose manifest', () => {
  const some = (type: string, digest = `sha256:${hexA}`, size = 1) => [type, digest, size] as const

  it.each<[string, (server: TestRegistry) => Trick, string]>([
    [
      'has no end',
      manifest((response) => endless(response)),
      'the manifest from 127.0.0.1:PORT has more than 4194304 bytes',
    ],
    ['comes a byte at a time', manifest((response) => dripping(response)), 'did not come to its end within 1 s'],
    ['is nothing', manifest((response) => response.writeHead(204).end()), 'What the registry sent'],
    [
      'is compressed',
      manifest((response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b, 8, 0]))
      }),
      'What the registry sent',
    ],
    [
      'climbs out of the store',
      layers(some(configType), some(modelType, 'sha256:../../../../etc/passwd')),
      'What the registry sent',
    ],
    [
      'has a digest of another kind',
      layers(some(configType), some(modelType, `sha512:${hexA}`)),
      'What the registry sent',
    ],
    [
      'has a size below zero',
      layers(some(configType), some(modelType, `sha256:${hexA}`, -1)),
      'What the registry sent',
    ],
    [
      'has a size that is no number',
      layers(some(configType), some(modelType, `sha256:${hexA}`, 0.5)),
      'What the registry sent',
    ],
    ['gives one blob two sizes', layers(some(configType), some(modelType, `sha256:${hexA}`, 2)), 'two sizes'],
    [
      'is an index of manifests',
      manifest((response) => {
        response.end(JSON.stringify({ schemaVersion: 2, manifests: [{ digest: `sha256:${hexA}`, size: 1 }] }))
      }),
      'What the registry sent',
    ],
    [
      'is of another kind of image',
      layers(some(configType), some('application/vnd.oci.image.layer.v1.tar+gzip')),
      'no GGUF layer',
    ],
    ['is of tensors', layers(some(configType), some('application/vnd.ollama.image.tensor')), 'no GGUF layer'],
    [
      'names too many blobs',
      layers(
        some(configType),
        ...Array.from({ length: 10_001 }, (_, i) => some(modelType, `sha256:${String(i).padStart(64, '0')}`)),
      ),
      'which is too much',
    ],
    [
      'names more bytes than there are numbers',
      layers(
        some(configType),
        ...Array.from({ length: 3 }, (_, i) => some(modelType, `sha256:${String(i).padStart(64, '0')}`, 2 ** 52)),
      ),
      'which is too much',
    ],
    [
      'names more bytes than the disk has',
      layers(some(configType), some(modelType, `sha256:${'b'.repeat(64)}`, 2 ** 52)),
      '4503599627370497 bytes do not fit on the disk',
    ],
  ])(
    '%s is told of in words before anything is fetched',
    async (_, trick, words) => {
      const { model, server } = await hostile(trick)
      const { run, blobs } = await place(limits)
      await expect(run(model)).rejects.toThrow(words.replace('PORT', new URL(server.url).port))
      expect(server.asked.filter(({ line }) => line.includes('/blobs/'))).toEqual([])
      expect(await blobs()).toEqual([])
    },
    boundMs,
  )
})

describe('a registry that asks to sign in', () => {
  const asks =
    (server: TestRegistry, realm: string, token: (response: ServerResponse) => void): Trick =>
    (_request, response, url) => {
      if (url.pathname === '/token') token(response)
      else
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm.replace('SELF', server.url)}"` }).end('no')
      return true
    }

  it.each<[string, string, (response: ServerResponse) => void, string]>([
    [
      'and then refuses the token',
      'SELF/token',
      (response) => response.end('{"token":"t"}'),
      "add this node's key to yours: ssh-ed25519 ",
    ],
    ['and gives no token', 'SELF/token', (response) => response.end('{}'), 'the registry gave no token'],
    ['and gives a token without an end', 'SELF/token', endless, 'has more than 65536 bytes'],
    ['and gives one a byte at a time', 'SELF/token', dripping, 'did not come to its end within 1 s'],
    [
      'and sends the token elsewhere',
      'SELF/token',
      (response) => response.writeHead(307, { location: 'http://127.0.0.3/' }).end(),
      '307',
    ],
    ['at no URL', 'nowhere', () => undefined, 'nothing was signed'],
    ['at another protocol', 'https://127.0.0.1/token', () => undefined, 'nothing was signed'],
    ['at a host whose name begins alike', 'SELF.example/token', () => undefined, 'nothing was signed'],
    ['at a host behind a user', 'SELF@127.0.0.3/token', () => undefined, 'nothing was signed'],
  ])(
    '%s',
    async (_, realm, token, words) => {
      const { model, server } = await hostile((self) => asks(self, realm, token))
      const { run } = await place(limits)
      await expect(run(model)).rejects.toThrow(words)
      // Once signed in and asked again, and that three times at most.
      expect(server.asked.length).toBeLessThanOrEqual(9)
    },
    boundMs,
  )
})

describe('a public registry that points into this network', () => {
  /** As the real one, which takes what is no address for private; 127.0.0.1 stands for the public internet. */
  const isPrivate = (address: string) => address !== '127.0.0.1'

  it.each<[string, string]>([
    ['by address', 'http://127.0.0.2:1/inside'],
    ['by an IPv6 address', 'http://[::1]:1/inside'],
    ['by an address in one number', 'http://2130706434:1/inside'],
    ['by a name', 'http://inside.example:1/inside'],
  ])('%s is not followed', async (_, location) => {
    const { model } = await hostile((server) => (_request, response, url) => {
      const isBlob = url.pathname.includes('/blobs/')
      if (isBlob) response.writeHead(307, { location }).end()
      return isBlob && server.blobs.size > 0
    })
    const lookup: NonNullable<Parameters<typeof place>[0]>['lookup'] = (_host, _options, callback) =>
      callback(null, [{ address: '127.0.0.2', family: 4 }])
    const { run } = await place({ ...limits, isPrivate, lookup })
    await expect(run(model)).rejects.toThrow('an address of this machine or its network')
  })

  it('and resets the connection before anybody can see who it was, is taken for public', async () => {
    const { model } = await hostile(() => (request, response, url) => {
      if (!url.pathname.includes('/manifests/')) return false
      const head = 'HTTP/1.1 307 Moved\r\ncontent-length: 0\r\nlocation: http://127.0.0.2:1/inside\r\n\r\n'
      request.socket.write(head)
      request.socket.resetAndDestroy()
      return response.destroyed || true
    })
    const { run } = await place({ ...limits, isPrivate })
    await expect(run(model)).rejects.toThrow('an address of this machine or its network')
  })
})

it('that asks for patience gets what it asks for', async () => {
  const times: number[] = []
  const { model } = await hostile(() => (_request, response, url) => {
    if (!url.pathname.includes('/manifests/')) return false
    times.push(performance.now())
    if (times.length > 2) return false
    const retryAfter = times.length === 1 ? '1' : new Date(Date.now() + 1500).toUTCString()
    response.writeHead(429, { 'retry-after': retryAfter }).end('slow down')
    return true
  })
  const { run, catalog } = await place(limits)
  await run(model)
  expect(await catalog.list()).toHaveLength(1)
  const [first = 0, second = 0, third = 0] = times
  expect(second - first).toBeGreaterThanOrEqual(1000)
  // The date has whole seconds.
  expect(third - second).toBeGreaterThanOrEqual(400)
})

it('that has nothing to resume from takes the bytes of a registry without ranges once', async () => {
  const { model, server, digest } = await hostile((self, own) => (_request, response, url) => {
    if (url.pathname !== `/storage/${own}`) return false
    sendRange(response, self.blobs.get(own) as Buffer, undefined)
    return true
  })
  const { run, catalog } = await place(limits)
  await run(model)
  expect(await catalog.list()).toHaveLength(1)
  expect(server.asked.filter(({ line }) => line === `GET /storage/${digest}`)).toHaveLength(1)
})
