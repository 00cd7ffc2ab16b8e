/** The side of the test registry that takes pushes: by itself, or in a storage that it sends each part to. */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface PushBehaviour {
  /** Each part goes to a storage. */
  readonly redirects?: boolean
  /** So many parts break off in the middle. */
  readonly breaks?: number
  /** A token is asked for from the first part on, with another scope. */
  readonly wantsToken?: boolean
}

interface Upload {
  parts: Buffer[]
}

export class Pushes {
  readonly ranges: string[] = []
  readonly etags: (string | undefined)[] = []
  readonly #sums = new Map<string, string>()
  readonly #uploads = new Map<string, Upload>()
  readonly #behaviour: PushBehaviour
  readonly #keep: (kind: 'blob' | 'manifest', name: string, bytes: Buffer) => void
  #broken = 0

  constructor(behaviour: PushBehaviour, keep: (kind: 'blob' | 'manifest', name: string, bytes: Buffer) => void) {
    this.#behaviour = behaviour
    this.#keep = keep
  }

  /** What a blob's parts add up to, as S3 names an object. */
  sumOf(digest: string): string | undefined {
    return this.#sums.get(digest)
  }

  /** True: the request was for this. */
  answer(request: IncomingMessage, response: ServerResponse, url: URL, base: string): boolean {
    const { method } = request
    if (url.pathname === '/token') return sent(response.end('{"token":"t"}'))
    const needsToken = this.#behaviour.wantsToken === true && method !== 'GET' && method !== 'HEAD'
    if (needsToken && request.headers.authorization !== 'Bearer t') return this.#challenge(request, response, base)
    if (method === 'POST') return this.#begin(response, url, base)
    if (method === 'PUT' && url.pathname.includes('/manifests/')) return this.#name(request, response, url)
    const [, id = '', part] = /\/(?:uploads|parts)\/([0-9a-f-]+)(?:\/(\d+))?$/.exec(url.pathname) ?? []
    const upload = this.#uploads.get(id)
    if (upload === undefined) return false
    if (part !== undefined) return this.#store(request, response, upload, Number(part))
    if (method === 'GET') return sent(response.writeHead(204, { range: `0-${Math.max(0, bytesOf(upload) - 1)}` }).end())
    if (method === 'PATCH') return this.#patch(request, response, url, base, id, upload)
    return this.#finish(response, url, upload)
  }

  #challenge(request: IncomingMessage, response: ServerResponse, base: string): boolean {
    request.resume()
    const challenge = `Bearer realm="${base}/token",service="test",scope="repository:x:push"`
    return sent(response.writeHead(401, { 'www-authenticate': challenge }).end())
  }

  #begin(response: ServerResponse, url: URL, base: string): boolean {
    const id = randomUUID()
    this.#uploads.set(id, { parts: [] })
    return sent(response.writeHead(202, { location: `${base}${url.pathname}${id}` }).end())
  }

  #patch(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    base: string,
    id: string,
    upload: Upload,
  ): boolean {
    const range = request.headers['content-range'] ?? ''
    this.ranges.push(range)
    const location = { location: `${base}${url.pathname}` }
    if (this.#behaviour.redirects === true) {
      const part = upload.parts.length
      upload.parts.push(Buffer.of())
      const headers = { 'docker-upload-location': location.location, location: `${base}/parts/${id}/${part}` }
      request.resume()
      return sent(response.writeHead(307, headers).end())
    }
    if (this.#broken < (this.#behaviour.breaks ?? 0)) {
      this.#broken++
      return this.#breakOff(request, upload)
    }
    void buffer(request).then((bytes) => {
      if (Number(range.split('-')[0]) !== bytesOf(upload)) return response.writeHead(416).end()
      upload.parts.push(bytes)
      return response.writeHead(202, location).end()
    })
    return true
  }

  /** The first half of a part is kept, as many registries do. */
  #breakOff(request: IncomingMessage, upload: Upload): boolean {
    request.once('data', (chunk: Buffer) => {
      upload.parts.push(chunk)
      request.destroy()
    })
    return true
  }

  #store(request: IncomingMessage, response: ServerResponse, upload: Upload, part: number): boolean {
    void buffer(request).then((bytes) => {
      upload.parts[part] = bytes
      response.end()
    })
    return true
  }

  #finish(response: ServerResponse, url: URL, upload: Upload): boolean {
    const bytes = Buffer.concat(upload.parts)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    this.etags.push(url.searchParams.get('etag') ?? undefined)
    if (url.searchParams.get('digest') !== digest) return sent(response.writeHead(400).end('digest mismatch'))
    const sums = upload.parts.map((part) => createHash('md5').update(part).digest())
    this.#sums.set(digest, `${createHash('md5').update(Buffer.concat(sums)).digest('hex')}-${sums.length}`)
    this.#keep('blob', digest, bytes)
    return sent(response.writeHead(201).end())
  }

  #name(request: IncomingMessage, response: ServerResponse, url: URL): boolean {
    void buffer(request).then((bytes) => {
      this.#keep('manifest', url.pathname, bytes)
      response.writeHead(201).end()
    })
    return true
  }
}

const bytesOf = ({ parts }: Upload): number => parts.reduce((sum, { length }) => sum + length, 0)

const sent = (_: unknown): boolean => true
