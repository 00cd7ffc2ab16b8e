/** What Ollama's own cloud offers, as a server answers that has none. */
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.ts'
import { sendJson } from './wire.ts'

export function accountRoutes(app: FastifyInstance): void {
  const config = { about: { summary: "Of Ollama's own cloud, which this server is not." } }
  app.get('/api/status', { config }, (_request, reply) =>
    sendJson(reply, { cloud: { disabled: true, source: 'config' } }),
  )
  app.get('/api/experimental/model-recommendations', { config }, (_request, reply) =>
    sendJson(reply, { recommendations: [] }),
  )
  for (const url of ['/api/me', '/api/experimental/web_search', '/api/experimental/web_fetch']) {
    app.post(url, { config }, () => {
      throw new ApiError('cloud-disabled')
    })
  }
  // Nobody is signed in, so that everybody is signed out.
  app.post('/api/signout', { config }, (_request, reply) => sendJson(reply, null))
  app.delete('/api/user/keys/:encodedKey', { config }, (_request, reply) => sendJson(reply, null))
}
