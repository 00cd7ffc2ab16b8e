/** A registry that behaves like the real one, and misbehaves on demand: sign-in, 307 to another place, ranges. */
import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { type PushBehaviour, Pushes } from './pushes.ts'

export const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Answers a request itself when it returns true. */
export type Trick = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean

export class TestRegistry {
  readonly blobs = new Map<string, Buffer>()
  readonly manifests = new Map<string, Buffer>()
  /** `METHOD path`, with the range and whether there was a token. */
  readonly asked: { readonly line: string; readonly range: string | undefined; readonly token: boolean }[] = []
  trick: Trick = () => false
  /** Whether it answers only who has signed in. */
  isClosed = false
  /** The public keys that have signed in, as lines of OpenSSH. */
  readonly keys: string[] = []
  readonly #tokens = new Set<string>()
  url = ''

  static async start(): Promise<TestRegistry> {
    const started = new TestRegistry()
    const server = createServer((request, response) => started.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    started.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    onTestFinished(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return started
  }

  /** A model of these layers under `library/<name>:latest`; its blobs' digests, the config's last. */
  add(name: string, model: Buffer): readonly string[] {
    const config = Buffer.from(JSON.stringify({ model_format: 'gguf', model_family: 'llama' }))
    const layer = (kind: string, bytes: Buffer) => {
      this.blobs.set(digestOf(bytes), bytes)
      return { mediaType: kind, digest: digestOf(bytes), size: bytes.length }
    }
    const manifest = {
      schemaVersion: 2,
      config: layer('application/vnd.docker.container.image.v1+json', config),
      layers: [layer('application/vnd.ollama.image.model', model)],
    }
    this.manifests.set(`/v2/library/${name}/manifests/latest`, Buffer.from(JSON.stringify(manifest)))
    return [digestOf(model), digestOf(config)]
  }

  /** How many bytes of a blob were asked for, from a number of requests on. */
  bytesAsked(digest: string, from = 0): number {
    const ranges = this.asked.slice(from).filter(({ line }) => line === `GET /storage/${digest}`)
    const bytes = ranges.map(({ range }) => /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [])
    return bytes.reduce((sum, [, first, last]) => sum + Number(last) + 1 - Number(first), 0)
  }

  /** From here on models may be pushed. */
  takesPushes(behaviour: PushBehaviour = {}): Pushes {
    const pushes = new Pushes(behaviour, (kind, name, bytes) => {
      if (kind === 'blob') this.blobs.set(name, bytes)
      else this.manifests.set(name, bytes)
    })
    this.trick = (request, response, url) => pushes.answer(request, response, url, this.url)
    return pushes
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url)
    const { range, authorization } = request.headers
    this.asked.push({ line: `${request.method} ${url.pathname}`, range, token: authorization !== undefined })
    if (this.trick(request, response, url)) return
    if (url.pathname === '/token') return void this.#signIn(response, url, authorization)
    if (this.isClosed && url.pathname.startsWith('/v2/') && !this.#tokens.has(authorization ?? '')) {
      const challenge = `Bearer realm="${this.url}/token",service="test",scope="repository:library/x:pull other"`
      return void response.writeHead(401, { 'www-authenticate': challenge }).end()
    }
    const manifest = this.manifests.get(url.pathname)
    if (manifest !== undefined) return void response.end(manifest)
    const blob = this.blobs.get(url.pathname.split('/').at(-1) ?? '')
    if (blob === undefined) return void response.writeHead(404).end('{"errors":[]}')
    if (url.pathname.startsWith('/v2/')) {
      return void response.writeHead(307, { location: `/storage/${url.pathname.split('/').at(-1)}` }).end()
    }
    sendRange(response, blob, range)
  }

  /** Believes a signature alone, as Ollama's: of the method, the whole URL, and the hex SHA-256 of nothing in base64. */
  #signIn(response: ServerResponse, url: URL, authorization = ''): void {
    const [blob = '', signature = ''] = authorization.split(':')
    const nothing = Buffer.from(createHash('sha256').update('').digest('hex')).toString('base64')
    const isSigned = verify(
      null,
      Buffer.from(`GET,${url.href},${nothing}`),
      keyIn(Buffer.from(blob, 'base64')),
      Buffer.from(signature, 'base64'),
    )
    const isFresh = Math.abs(Date.now() / 1000 - Number(url.searchParams.get('ts'))) < 60
    const isAsked = url.searchParams.get('service') === 'test' && url.searchParams.getAll('scope').length === 2
    if (!isSigned || !isFresh || !isAsked || !url.searchParams.has('nonce')) {
      return void response.writeHead(401).end('not you')
    }
    this.keys.push(`ssh-ed25519 ${blob}`)
    const token = randomUUID()
    this.#tokens.add(`Bearer ${token}`)
    response.end(JSON.stringify({ token }))
  }
}

/** Of OpenSSH's form: the type and the 32 bytes, each with its length before it. */
function keyIn(blob: Buffer) {
  const head = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32])])
  if (blob.length !== head.length + 32 || !blob.subarray(0, head.length).equals(head)) throw new Error('no key')
  const x = blob.subarray(head.length).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

export function sendRange(response: ServerResponse, blob: Buffer, range: string | undefined): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (first === undefined) return void response.writeHead(200, { 'content-length': blob.length }).end(blob)
  const part = blob.subarray(Number(first), Number(last) + 1)
  const contentRange = `bytes ${first}-${last}/${blob.length}`
  response.writeHead(206, { 'content-length': part.length, 'content-range': contentRange }).end(part)
}
