/** `POST /api/generate`: a completion; with an empty prompt it loads or unloads a model. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { InferResult, InferWork } from '../../protocols/infer.ts'
import { clientSignal, metricsOf, wholeAnswer } from './answer.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import {
  answerFields,
  checkTopLogprobs,
  lacksCapability,
  notAvailable,
  refuse,
  sharedRequest,
  unsupportedAnswer,
} from './inference-request.ts'
import { type AskedModel, checkModel } from './model-check.ts'
import { type LineWriter, streamLines } from './ndjson.ts'
import type { ApiServices, NewRequest } from './services.ts'
import { utcTime } from './time.ts'
import { sendJson } from './wire.ts'

const GenerateRequest = Type.Object({
  ...answerFields,
  prompt: Type.Optional(Type.String()),
  suffix: Type.Optional(Type.String()),
  system: Type.Optional(Type.String()),
  template: Type.Optional(Type.String()),
  context: Type.Optional(Type.Array(Type.Integer({ minimum: 0 }))),
  raw: Type.Optional(Type.Boolean()),
  images: Type.Optional(Type.Array(Type.String())),
})
type GenerateRequest = Static<typeof GenerateRequest>

const readFields = fieldReader(GenerateRequest)

export function generateRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/generate', { config: { endpoint: 'generate' } }, (request, reply) =>
    answerGenerate(services, request, reply),
  )
}

async function answerGenerate(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const startedMs = performance.now()
  const fields = readFields(request.body)
  checkTopLogprobs(fields.top_logprobs)
  const model = checkModel(fields.model)
  const shared = sharedRequest(fields, model, request.headers)
  const isEmpty = (fields.prompt ?? '') === ''
  if (isEmpty && shared.keepAliveMs === 0) {
    await services.unload(model.name)
    return sendJson(reply, finalObject(model.sent, '', 'unload', {}))
  }
  await refuse(unsupported(fields, model), model, services)
  const work: InferWork = isEmpty ? { kind: 'load' } : workOf(fields)
  const answer = await services.submit({ ...shared, work } satisfies NewRequest, clientSignal(reply.raw))
  if (!isEmpty && fields.stream !== false) {
    const writer = new GenerateLines(model.sent, fields.raw === true, startedMs)
    return streamLines(reply, answer, { model: model.sent, endpoint: 'generate', writer })
  }
  const { text, tokens, result } = await wholeAnswer(reply.raw, answer, model.sent)
  if (isEmpty) return sendJson(reply, finalObject(model.sent, '', 'load', {}))
  const rest = { ...contextOf(fields.raw === true, result, tokens), ...metricsOf(result, startedMs) }
  return sendJson(reply, finalObject(model.sent, text, result.reason, rest))
}

function unsupported(fields: GenerateRequest, model: AskedModel): ApiError | undefined {
  if (fields.raw === true && (fields.template || fields.system || (fields.context?.length ?? 0) > 0)) {
    return new ApiError('bad-field', 'raw mode does not support template, system, or context')
  }
  if (fields.suffix) return lacksCapability(model, 'insert')
  if ((fields.images?.length ?? 0) > 0) return lacksCapability(model, 'vision')
  if (fields.template) return notAvailable('"template"')
  return unsupportedAnswer(fields, model)
}

function workOf({ prompt = '', system, raw = false, context }: GenerateRequest): InferWork {
  return {
    kind: 'generate',
    prompt,
    raw,
    ...(system ? { system } : {}),
    ...(context !== undefined && context.length > 0 ? { context } : {}),
  }
}

function finalObject(model: string, response: string, doneReason: string, rest: Record<string, unknown>): unknown {
  return { model, created_at: utcTime(Date.now()), response, done: true, done_reason: doneReason, ...rest }
}

/** The conversation so far as tokens, for the next request's `context`; raw mode has none. */
function contextOf(raw: boolean, result: InferResult, tokens: readonly number[]): { context?: readonly number[] } {
  if (raw || result.promptTokenIds === undefined) return {}
  return { context: [...result.promptTokenIds, ...tokens] }
}

class GenerateLines implements LineWriter {
  readonly #raw: boolean
  readonly #startedMs: number
  readonly #head: string
  readonly #tokens: number[] = []

  constructor(model: string, raw: boolean, startedMs: number) {
    this.#raw = raw
    this.#startedMs = startedMs
    this.#head = `{"model":${JSON.stringify(model)},"created_at":"`
  }

  take(tokens: readonly number[]): void {
    if (this.#raw) return
    for (const token of tokens) this.#tokens.push(token)
  }

  delta(text: string, createdAt: string): string {
    return `${this.#head}${createdAt}","response":${JSON.stringify(text)},"done":false}\n`
  }

  final(result: InferResult, createdAt: string): string {
    const rest = { ...contextOf(this.#raw, result, this.#tokens), ...metricsOf(result, this.#startedMs) }
    const last = JSON.stringify({ response: '', done: true, done_reason: result.reason, ...rest })
    return `${this.#head}${createdAt}",${last.slice(1)}\n`
  }
}
