/**
 * `/v2`: this node as a registry of the OCI distribution protocol, as far as an Ollama and the common tools use it. What is
 * read is what any node of the cluster holds, what is deleted goes from all of them; what is pushed comes to this one.
 * Nothing is ever fetched from elsewhere.
 */
import type { FastifyInstance } from 'fastify'
import type { ApiServices } from '../services.ts'
import { sendJson } from '../wire.ts'
import { blobFileRoutes } from './blobs.ts'
import { manifestRoutes } from './manifests.ts'
import { uploadRoutes } from './uploads.ts'

/** Without a host a name is one of Ollama's own registry, as in every other place. */
const repositoryPaths = ['/v2/:namespace/:model', '/v2/:host/:namespace/:model']

export function registryRoutes(app: FastifyInstance, services: ApiServices): void {
  const about = { summary: 'Whether this is a registry.' }
  app.get('/v2', { config: { surface: 'registry', about } }, (_request, reply) =>
    sendJson(reply.header('docker-distribution-api-version', 'registry/2.0'), {}),
  )
  const { registry } = services
  const uploads = uploadRoutes(app, registry)
  const blobs = blobFileRoutes(app, registry)
  for (const path of repositoryPaths) {
    manifestRoutes(app, path, registry)
    blobs(path)
    uploads(path)
  }
}
