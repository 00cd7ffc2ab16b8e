/**
 * A registry of one model, `library/big`, of so many bytes: the tiny model, and behind it a pattern that is never in memory
 * as a whole. Arguments: bytes of the blob. Answers ranges, at the place itself, as fast as they are taken.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { serveWorker } from '../support/worker-side.ts'

const sizeBytes = Number(process.argv[2])
/** Written at once: long enough to be cheap. */
const chunkBytes = 1024 * 1024

const head = readFileSync(new URL('../../models/omx-tiny.gguf', import.meta.url))
const pattern = Buffer.alloc(chunkBytes, Buffer.from(Array.from({ length: 4099 }, (_, i) => (i * 31) & 0xff)))

/** The bytes from one offset to another, which is not among them. */
function* bytesOf(from: number, end: number): Generator<Buffer> {
  for (let at = from; at < end; ) {
    const source = at < head.length ? head : pattern
    const start = at < head.length ? at : (at - head.length) % chunkBytes
    const slice = source.subarray(start, Math.min(source.length, start + end - at))
    yield slice
    at += slice.length
  }
}

function digestOf(chunks: Iterable<Buffer>): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

const digest = digestOf(bytesOf(0, sizeBytes))
const config = Buffer.from(JSON.stringify({ model_format: 'gguf', model_family: 'llama' }))
const manifest = JSON.stringify({
  schemaVersion: 2,
  config: {
    mediaType: 'application/vnd.docker.container.image.v1+json',
    digest: digestOf([config]),
    size: config.length,
  },
  layers: [{ mediaType: 'application/vnd.ollama.image.model', digest, size: sizeBytes }],
})

function answer({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
  if (url.includes('/manifests/')) return void response.end(manifest)
  if (!url.endsWith(digest)) return void sendRange(response, headers.range, config.length, () => [config])
  sendRange(response, headers.range, sizeBytes, bytesOf)
}

function sendRange(
  response: ServerResponse,
  range: string | undefined,
  total: number,
  bytes: (from: number, end: number) => Iterable<Buffer>,
): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  const [from, end] = first === undefined ? [0, total] : [Number(first), Number(last) + 1]
  response.writeHead(first === undefined ? 200 : 206, {
    'content-length': end - from,
    ...(first === undefined ? {} : { 'content-range': `bytes ${from}-${end - 1}/${total}` }),
  })
  Readable.from(bytes(from, end)).pipe(response)
}

serveWorker(createServer(answer))
