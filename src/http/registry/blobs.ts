/** Blobs, whole or in ranges, from this node's disk or through it from another node's. */
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ReadableBlob } from '../../../actors/model-catalog.ts'
import { clientSignal } from '../answer.ts'
import { ApiError } from '../errors.ts'
import type { RegistryServices } from '../services.ts'
import { type ByteRange, rangeOf } from './range.ts'
import { absolute, blobPath, digestIn, repositoryOf } from './repository.ts'

/** Blobs that are read out at once: each holds a file or a stream, and a disk that is asked for more only seeks. */
const maxReads = 128

const about = { summary: 'A file of a model that some node of the cluster holds, whole or in ranges.' }

/** Adds the routes under a path; all paths share one limit. */
export function blobFileRoutes(app: FastifyInstance, registry: RegistryServices): (path: string) => void {
  let reads = 0
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const repository = repositoryOf(request)
    const digest = digestIn((request.params as { readonly digest?: string }).digest)
    const blob = await registry.blob(repository, digest, clientSignal(reply.raw))
    if (blob === undefined)
      throw new ApiError('blob-unknown', `no node of this cluster holds ${digest} of ${repository}`)
    const range = rangeOf(request.headers.range, blob.sizeBytes)
    if (range === 'unsatisfiable') {
      reply.header('content-range', `bytes */${blob.sizeBytes}`)
      throw new ApiError('range-invalid', `${digest} has ${blob.sizeBytes} bytes`)
    }
    // An Ollama looks there for where the blob really lies, and takes no answer without it.
    const location = absolute(request, blobPath(repository, digest))
    send(reply, blob, range, { 'docker-content-digest': digest, etag: `"${digest}"`, location })
    if (request.method === 'HEAD') return void reply.raw.end()
    const { start, end } = range === 'whole' ? { start: 0, end: blob.sizeBytes } : range
    // Whoever breaks off has what came; the connection says the rest.
    await pipeline(blob.read(start, end), reply.raw).catch(() => undefined)
  }
  return (path) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: `${path}/blobs/:digest`,
      config: { surface: 'registry', about },
      handler: async (request, reply) => {
        if (reads >= maxReads) throw new ApiError('busy')
        reads++
        try {
          await answer(request, reply)
        } finally {
          reads--
        }
      },
    })
  }
}

function send(
  reply: FastifyReply,
  { sizeBytes }: ReadableBlob,
  range: ByteRange | 'whole',
  headers: Readonly<Record<string, string>>,
): void {
  reply.hijack()
  const common = {
    ...reply.getHeaders(),
    ...headers,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
  }
  if (range === 'whole') return void reply.raw.writeHead(200, { ...common, 'content-length': sizeBytes } as never)
  const { start, end } = range
  const part = { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` }
  reply.raw.writeHead(206, { ...common, ...part } as never)
}
