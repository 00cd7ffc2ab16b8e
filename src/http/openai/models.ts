/** `GET /v1/models` and `GET /v1/models/:model`: the models of the whole cluster. */
import type { FastifyInstance } from 'fastify'
import { parseModelName } from '../../../protocols/model-name.ts'
import type { HeldModel } from '../../../protocols/report.ts'
import { ApiError } from '../errors.ts'
import { checkModel } from '../model-check.ts'
import type { ApiServices } from '../services.ts'
import { sendJson } from '../wire.ts'
import { ModelList, ModelRow } from './answers.ts'
import { unixSeconds } from './format.ts'

const shared = { endpoint: 'show', surface: 'openai' } as const
const list = { ...shared, about: { summary: 'The models of the whole cluster.', answer: ModelList } }
const one = { ...shared, about: { summary: 'One of the models.', answer: ModelRow } }

export function openaiModelRoutes(app: FastifyInstance, services: ApiServices): void {
  app.get('/v1/models', { config: list }, async (_request, reply) => {
    const models = [...(await services.models())].sort((left, right) => right.modifiedAtMs - left.modifiedAtMs)
    return sendJson(reply, { object: 'list', data: models.map((model) => rowOf(model.name, model)) })
  })
  app.get<{ Params: { '*': string } }>('/v1/models/*', { config: one }, async (request, reply) => {
    const asked = checkModel(request.params['*'])
    const model = await services.find(asked.name)
    if (model === undefined) throw new ApiError('model-not-found', asked.display)
    return sendJson(reply, rowOf(asked.sent, model))
  })
}

function rowOf(id: string, { name, modifiedAtMs }: HeldModel): ModelRow {
  const owner = parseModelName(name)?.namespace ?? 'library'
  return { id, object: 'model', created: unixSeconds(modifiedAtMs), owned_by: owner }
}
