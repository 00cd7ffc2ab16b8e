/** `/api/pull`: a model from a registry, with its progress as lines. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { clientSignal } from './answer.ts'
import { fieldReader } from './fields.ts'
import { checkModel } from './model-check.ts'
import type { RouteAbout } from './openapi.ts'
import { answerProgress } from './progress.ts'
import type { ApiServices } from './services.ts'

const readPull = fieldReader(
  Type.Object({
    model: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    insecure: Type.Optional(Type.Boolean()),
    stream: Type.Optional(Type.Boolean()),
  }),
)

const about: RouteAbout = {
  summary: 'Brings a model from a registry to this node.',
  body: readPull.schema,
  streams: 'application/x-ndjson',
}

export function pullRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/pull', { config: { about } }, async (request, reply) => {
    const { model, name, insecure = false, stream = true } = readPull(request.body)
    const asked = checkModel(model || name)
    const progress = await services.pull({ model: asked.name, insecure }, clientSignal(reply.raw))
    return answerProgress(reply, stream, progress)
  })
}
