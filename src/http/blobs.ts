/** `/api/blobs/:digest`: files that a model is to be made of, streamed to the disk while they are hashed. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parseDigest } from '../../protocols/digest.ts'
import { ApiError } from './errors.ts'
import type { ApiServices } from './services.ts'
import { announcedBytes, dropRest, uploadOf } from './upload.ts'

const aboutUpload = { summary: 'Takes a file, which is the body, under the digest that it must have.' }

export function blobRoutes(app: FastifyInstance, services: ApiServices): void {
  app.head(
    '/api/blobs/:digest',
    { config: { about: { summary: 'Whether a file is here.' } } },
    async (request, reply) => {
      const digest = digestOf(request)
      if (await services.maker.hasBlob(digest)) return reply.code(200).send()
      throw new ApiError('not-found', `blob ${JSON.stringify(digest)} not found`)
    },
  )
  app.post('/api/blobs/:digest', { config: { rawBody: true, about: aboutUpload } }, async (request, reply) => {
    try {
      const digest = digestOf(request)
      if (await services.maker.hasBlob(digest)) return reply.code(200).send()
      await services.maker.writeBlob(digest, uploadOf(request.raw), announcedBytes(request.raw))
      return reply.code(201).send()
    } finally {
      dropRest(request.raw)
    }
  })
}

function digestOf({ params }: FastifyRequest): string {
  const digest = parseDigest((params as { readonly digest: string }).digest)
  if (digest === undefined) throw new ApiError('bad-field', 'invalid digest format')
  return digest
}
