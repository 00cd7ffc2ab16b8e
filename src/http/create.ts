/** `/api/create`: a model made of another one or of uploaded files, told step by step. */
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { NewModel } from '../../actors/model-catalog.ts'
import { maxMessages } from '../../protocols/infer-request.ts'
import { parseModelName } from '../../protocols/model-name.ts'
import { clientSignal } from './answer.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import { MessageFields, messagesOf } from './messages.ts'
import type { RouteAbout } from './openapi.ts'
import { answerProgress, progressOf } from './progress.ts'
import type { ApiServices, Progress } from './services.ts'

const text = Type.Optional(Type.String())
const digests = Type.Optional(Type.Record(Type.String(), Type.String()))

const CreateRequest = Type.Object({
  ...{ model: text, name: text, from: text, files: digests, adapters: digests },
  ...{ template: text, system: text, renderer: text, parser: text, requires: text },
  license: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  messages: Type.Optional(Type.Array(MessageFields, { maxItems: maxMessages })),
  ...{ quantize: text, quantization: text },
  ...{ draft_files: digests, draft_quantize: text, remote_host: text },
  stream: Type.Optional(Type.Boolean()),
})
type CreateRequest = Static<typeof CreateRequest>

const readCreate = fieldReader(CreateRequest)

const about: RouteAbout = {
  summary: 'Makes a model of another one or of uploaded files, on this node.',
  body: readCreate.schema,
  streams: 'application/x-ndjson',
}

export function createRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/create', { config: { about } }, async (request, reply) => {
    const fields = readCreate(request.body)
    return answerProgress(reply, fields.stream !== false, making(services, fields, clientSignal(reply.raw)))
  })
}

/** The base first, if it is not here; its coming is told as a pull's, but for the end. */
async function* making(services: ApiServices, fields: CreateRequest, signal: AbortSignal): Progress {
  const model = newModel(fields)
  if (model.from !== undefined) {
    for await (const line of await services.bring(model.from, signal)) if (line.status !== 'success') yield line
  }
  yield* progressOf((tell) => services.maker.create(model, tell))
}

/** Throws an ApiError for what can be told from the request alone, so that it has a status; in Ollama's order. */
function newModel(fields: CreateRequest): NewModel {
  const name = fields.model || fields.name || ''
  const { from, files = {}, adapters = {}, license = [], parameters = {}, messages } = fields
  Object.keys(files).forEach(checkFileName)
  for (const wanted of from ? [name, from] : [name]) {
    if (parseModelName(wanted) === undefined) throw new ApiError('model-name-invalid')
  }
  if (!from && fields.files === undefined) throw new ApiError('bad-field', "neither 'from' or 'files' was specified")
  refuseOthers(fields)
  Object.keys(adapters).forEach(checkFileName)
  const texts = {
    ...{ from, template: fields.template, system: fields.system, renderer: fields.renderer, parser: fields.parser },
    ...{ requires: fields.requires, quantize: fields.quantize || fields.quantization },
  }
  return {
    name,
    ...given(texts),
    ...{ files, adapters, parameters },
    licenses: [license].flat(),
    messages: ownMessages(messages),
  }
}

/** What a text says that is not there or empty: nothing. */
function given<Name extends string>(texts: Readonly<Record<Name, string | undefined>>): Partial<Record<Name, string>> {
  return Object.fromEntries(Object.entries(texts).filter(([, value]) => value)) as Partial<Record<Name, string>>
}

function refuseOthers({ draft_files, draft_quantize, remote_host }: CreateRequest): void {
  if (remote_host) throw new ApiError('cloud-disabled')
  if (draft_quantize || Object.keys(draft_files ?? {}).length > 0) {
    throw new ApiError('not-supported', 'models with a draft model are not supported: leave out draft_files')
  }
}

/** As Go's `fs.ValidPath`: no root, no empty part, no way upwards. Nothing is ever opened by it. */
function checkFileName(file: string): void {
  const isClean = file.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isClean) throw new ApiError('bad-field', 'file path must be relative')
}

/** What every conversation with it begins with. */
function ownMessages(messages: CreateRequest['messages'] = []): NewModel['messages'] {
  if (messages.every(({ role }) => role)) return messagesOf(messages)
  throw new ApiError('bad-field', 'a message has no role: give system, user or assistant')
}
