/** `/api/tags`, `/api/ps`, `/api/show`, `/api/copy`, `/api/delete`: what the cluster holds, has loaded, knows and forgets. */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { maxOptions } from '../../protocols/infer-request.ts'
import { maxShownSystem } from '../../protocols/messages.ts'
import { parseModelName } from '../../protocols/model-name.ts'
import type { HeldModel, ModelDetails } from '../../protocols/report.ts'
import { counted } from './answer.ts'
import { PsAnswer, TagsAnswer } from './answer-schemas.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import { checkModel } from './model-check.ts'
import type { RouteAbout } from './openapi.ts'
import type { ApiServices, LoadedRow } from './services.ts'
import { expiryTime, localTime } from './time.ts'
import { sendJson } from './wire.ts'

const readShow = fieldReader(
  Type.Object({
    model: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    verbose: Type.Optional(Type.Boolean()),
    system: Type.Optional(Type.String({ maxLength: maxShownSystem })),
    options: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { maxProperties: maxOptions })),
  }),
)

const readCopy = fieldReader(
  Type.Object({ source: Type.Optional(Type.String()), destination: Type.Optional(Type.String()) }),
)

const readDelete = fieldReader(Type.Object({ model: Type.Optional(Type.String()), name: Type.Optional(Type.String()) }))

const aboutShow: RouteAbout = { summary: 'Everything that is known of a model.', body: readShow.schema }
const aboutCopy: RouteAbout = { summary: 'Another name for a model, wherever it is held.', body: readCopy.schema }
const aboutDelete: RouteAbout = { summary: 'Removes a name from every node in reach.', body: readDelete.schema }

export function modelRoutes(app: FastifyInstance, services: ApiServices): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/api/tags',
    config: { about: { summary: 'The models of the whole cluster.', answer: TagsAnswer } },
    handler: async (_request, reply) => {
      const models = [...(await services.models())].sort(newestFirst)
      return sendJson(reply, { models: models.map(heldRow) })
    },
  })
  app.get(
    '/api/ps',
    { config: { about: { summary: 'The models in the memory of any node.', answer: PsAnswer } } },
    async (_request, reply) => {
      const nowMs = Date.now()
      const loaded = [...(await services.loaded())].sort(longestLivedFirst(nowMs))
      return sendJson(reply, { models: loaded.map((model) => loadedRow(model, nowMs)) })
    },
  )
  app.post('/api/show', { config: { endpoint: 'show', about: aboutShow } }, async (request, reply) => {
    const { model, name, verbose = false, system, options } = readShow(request.body)
    const asked = checkModel(model || name)
    const instead = { ...(system ? { system } : {}), ...(options === undefined ? {} : { options }) }
    const shown = await services.show(asked.name, verbose, instead)
    if (shown === undefined) throw new ApiError('model-not-found', asked.display)
    return sendJson(reply, isCopilot(request.headers['user-agent']) ? withBasename(shown, asked.sent) : shown)
  })
  app.post('/api/copy', { config: { endpoint: 'copy', about: aboutCopy } }, async (request, reply) => {
    const { source = '', destination = '' } = readCopy(request.body)
    for (const [field, name] of Object.entries({ source, destination })) {
      if (parseModelName(name) === undefined)
        throw new ApiError('bad-field', `${field} ${JSON.stringify(name)} is invalid`)
    }
    await services.copy(source, destination)
    return reply.code(200).send()
  })
  app.delete('/api/delete', { config: { about: aboutDelete } }, async (request, reply) => {
    const { model, name } = readDelete(request.body)
    const wanted = model || name || ''
    if (wanted === '') throw new ApiError('model-missing')
    if (parseModelName(wanted) === undefined) {
      throw new ApiError('bad-field', `name ${JSON.stringify(wanted)} is invalid`)
    }
    await services.remove(wanted)
    return reply.code(200).send()
  })
}

/** GitHub's Copilot names models by what stands there, and would mix up those that come from one base. */
function isCopilot(userAgent = ''): boolean {
  return userAgent.startsWith('GitHubCopilotChat/')
}

function withBasename(shown: Record<string, unknown>, name: string): Record<string, unknown> {
  return { ...shown, model_info: { ...(shown.model_info as object), 'general.basename': name } }
}

/** By the second, as Ollama sorts; the sort is stable, so that equal ones keep the order they came in. */
function newestFirst(left: HeldModel, right: HeldModel): number {
  return Math.floor(right.modifiedAtMs / 1000) - Math.floor(left.modifiedAtMs / 1000)
}

/** When it will leave memory, -1: never. What is being loaded stays for its whole time, seen from now. */
function expiryOf({ loading, expiresAtMs }: LoadedRow, nowMs: number): number {
  if (loading === undefined) return expiresAtMs
  return loading.keepAliveMs === -1 ? -1 : nowMs + loading.keepAliveMs
}

function longestLivedFirst(nowMs: number): (left: LoadedRow, right: LoadedRow) => number {
  return (left, right) => {
    const [first, second] = [expiryOf(left, nowMs), expiryOf(right, nowMs)]
    if (first === second) return 0
    if (first === -1) return -1
    return second === -1 ? 1 : second - first
  }
}

function heldRow(model: HeldModel): unknown {
  return {
    name: model.name,
    model: model.name,
    modified_at: localTime(model.modifiedAtMs),
    size: model.sizeBytes,
    digest: model.digest,
    details: {
      ...detailsOf(model.details),
      ...counted('context_length', model.contextLength),
      ...counted('embedding_length', model.embeddingLength),
    },
    capabilities: model.capabilities,
  }
}

function loadedRow(model: LoadedRow, nowMs: number): unknown {
  return {
    name: model.name,
    model: model.name,
    size: model.sizeBytes,
    digest: model.digest,
    details: detailsOf(model.details),
    expires_at: expiryTime(expiryOf(model, nowMs), nowMs),
    size_vram: model.sizeVramBytes,
    context_length: model.contextLength,
  }
}

/** In Ollama's order, whatever order a peer's report had. */
function detailsOf(details: ModelDetails): ModelDetails {
  return {
    parent_model: details.parent_model,
    format: details.format,
    family: details.family,
    families: details.families,
    parameter_size: details.parameter_size,
    quantization_level: details.quantization_level,
  }
}
