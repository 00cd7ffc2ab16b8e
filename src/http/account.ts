/** What Ollama's own cloud offers, as a server answers that has none. */
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.ts'
import { sendJson } from './wire.ts'

export function accountRoutes(app: FastifyInstance): void {
  app.get('/api/status', (_request, reply) => sendJson(reply, { cloud: { disabled: true, source: 'config' } }))
  app.get('/api/experimental/model-recommendations', (_request, reply) => sendJson(reply, { recommendations: [] }))
  for (const url of ['/api/me', '/api/experimental/web_search', '/api/experimental/web_fetch']) {
    app.post(url, () => {
      throw new ApiError('cloud-disabled')
    })
  }
  // Nobody is signed in, so that everybody is signed out.
  app.post('/api/signout', (_request, reply) => sendJson(reply, null))
  app.delete('/api/user/keys/:encodedKey', (_request, reply) => sendJson(reply, null))
}
