/** `/api/pull` and `/api/push`: a model from a registry or to one, with its progress as lines. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { clientSignal } from './answer.ts'
import { fieldReader } from './fields.ts'
import { checkModel } from './model-check.ts'
import { answerProgress } from './progress.ts'
import type { ApiServices } from './services.ts'

const readTransfer = fieldReader(
  Type.Object({
    model: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    insecure: Type.Optional(Type.Boolean()),
    stream: Type.Optional(Type.Boolean()),
  }),
)

const summaries = {
  pull: 'Brings a model from a registry to this node.',
  push: 'Brings a model of this cluster to a registry.',
}

export function transferRoutes(app: FastifyInstance, services: ApiServices): void {
  for (const direction of ['pull', 'push'] as const) {
    const about = {
      summary: summaries[direction],
      body: readTransfer.schema,
      streams: 'application/x-ndjson' as const,
    }
    const endpoint = direction === 'pull' ? 'pull' : 'other'
    app.post(`/api/${direction}`, { config: { endpoint, about } }, async (request, reply) => {
      const { model, name, insecure = false, stream = true } = readTransfer(request.body)
      const asked = checkModel(model || name)
      const progress = await services.transfer({ direction, model: asked.name, insecure }, clientSignal(reply.raw))
      return answerProgress(reply, stream, progress)
    })
  }
}
