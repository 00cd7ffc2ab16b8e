/** OpenAI's API: everything is computed by the native one and translated. */
import type { FastifyInstance } from 'fastify'
import type { ApiServices } from '../services.ts'
import { chatCompletionsRoute } from './chat-completions.ts'
import { completionsRoute } from './completions.ts'
import { openaiEmbeddingsRoute } from './embeddings.ts'
import { openaiModelRoutes } from './models.ts'
import { responsesRoute } from './responses.ts'
import { transcriptionsRoute } from './transcriptions.ts'

export function openaiRoutes(app: FastifyInstance, services: ApiServices): void {
  chatCompletionsRoute(app, services)
  completionsRoute(app, services)
  openaiEmbeddingsRoute(app, services)
  openaiModelRoutes(app, services)
  responsesRoute(app, services)
  transcriptionsRoute(app)
}
