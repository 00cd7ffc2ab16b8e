/** `POST /v1/audio/transcriptions`: refused, for no engine of this release can hear. */
import { finished } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../errors.ts'

/** OpenAI's limit; what is more is not read to its end. */
const maxUploadBytes = 25 * 1024 * 1024

const about = { summary: 'Refused: no engine of this release can hear.' }

export function transcriptionsRoute(app: FastifyInstance): void {
  app.post(
    '/v1/audio/transcriptions',
    { config: { surface: 'openai', rawBody: true, about } },
    async (request, reply) => {
      // The upload is taken and thrown away, so that the client comes to read the answer.
      let bytes = 0
      request.raw.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxUploadBytes) request.raw.destroy()
      })
      await finished(request.raw).catch(() => undefined)
      if (request.raw.destroyed && !request.raw.complete) return reply
      throw new ApiError(
        'not-supported',
        'no engine of this cluster can transcribe audio: use a model of another server',
      )
    },
  )
}
