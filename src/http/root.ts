/** `/`, `/api/version`, and the two probes of an orchestrator. */
import type { FastifyInstance } from 'fastify'
import { spokenOllamaVersion } from '../version.ts'
import { VersionAnswer } from './answer-schemas.ts'
import { sendJson, textType } from './wire.ts'

/** What `GET /` answers; `identify.ts` knows an Ollama by it. */
export const greeting = 'Ollama is running'

export function rootRoutes(app: FastifyInstance): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/',
    config: { about: { summary: 'Says that an Ollama is here.' } },
    handler: (_request, reply) => reply.type(textType).send(greeting),
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: '/api/version',
    config: { about: { summary: 'The release of Ollama whose API this is.', answer: VersionAnswer } },
    handler: (_request, reply) => sendJson(reply, { version: spokenOllamaVersion }),
  })
  // Alive: the process answers. Ready: it takes new requests; a draining listener answers 503 to every route.
  for (const url of ['/healthz', '/readyz']) {
    app.get(
      url,
      { config: { about: { summary: 'For an orchestrator: alive, and ready for requests.' } } },
      (_request, reply) => reply.type(textType).send('ok'),
    )
  }
}
