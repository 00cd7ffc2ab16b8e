/** `POST /api/generate`: a completion; with an empty prompt it loads or unloads a model. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { ToolCall } from '../../protocols/chat.ts'
import type { GenerateWork, InferResult, InferWork } from '../../protocols/infer.ts'
import { clientSignal, debugInfo, metricsOf, type TokenFrame, type WholeAnswer, wholeAnswer } from './answer.ts'
import { GenerateAnswer } from './answer-schemas.ts'
import { type Capability, checkCapabilities, thinkNeeds } from './capabilities.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import { imageBytes } from './images.ts'
import {
  answerFields,
  answerWishes,
  checkDecoded,
  checkTopLogprobs,
  formatError,
  requestWishes,
  sharedRequest,
} from './inference-request.ts'
import { logprobsJson, toolCallsJson } from './messages.ts'
import { checkModel } from './model-check.ts'
import { type LineWriter, streamLines } from './ndjson.ts'
import type { RouteAbout } from './openapi.ts'
import type { ApiServices, NewRequest } from './services.ts'
import { utcTime } from './time.ts'
import { sendJson } from './wire.ts'

/** llama.cpp's tokens are signed integers of 32 bits. */
const maxTokenId = 2 ** 31 - 1

const GenerateRequest = Type.Object({
  ...answerFields,
  prompt: Type.Optional(Type.String()),
  suffix: Type.Optional(Type.String()),
  system: Type.Optional(Type.String()),
  template: Type.Optional(Type.String()),
  context: Type.Optional(Type.Array(Type.Integer({ minimum: 0, maximum: maxTokenId }))),
  raw: Type.Optional(Type.Boolean()),
  images: Type.Optional(Type.Array(Type.String())),
})
type GenerateRequest = Static<typeof GenerateRequest>

const readFields = fieldReader(GenerateRequest)
const about: RouteAbout = {
  summary: 'A completion; with an empty prompt the model is loaded or unloaded.',
  body: readFields.schema,
  answer: GenerateAnswer,
  streams: 'application/x-ndjson',
}

export function generateRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/generate', { config: { endpoint: 'generate', about } }, (request, reply) =>
    answerGenerate(services, request, reply),
  )
}

async function answerGenerate(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const startedMs = performance.now()
  const fields = readFields(request.body)
  checkDecoded(fields)
  const images = (fields.images ?? []).map(imageBytes)
  checkTopLogprobs(fields.top_logprobs)
  const model = checkModel(fields.model)
  const shared = { ...sharedRequest(fields, model, request.headers), ...requestWishes(fields) }
  const held = await services.require(model.name)
  const isEmpty = (fields.prompt ?? '') === ''
  if (isEmpty && shared.keepAliveMs === 0) {
    await services.unload(model.name)
    return sendJson(reply, bare(model.sent, 'unload'))
  }
  checkRaw(fields)
  const wanted = generateWork(fields, images)
  checkCapabilities(model, held, { endpoint: 'generate', needed: needs(wanted, isEmpty) })
  const problem = isEmpty ? undefined : formatError(fields)
  const work: InferWork = isEmpty || problem !== undefined ? { kind: 'load' } : wanted
  const answer = await services.submit({ ...shared, work } satisfies NewRequest, clientSignal(reply.raw))
  if (work.kind === 'load') {
    await wholeAnswer(reply.raw, answer, model.sent)
    if (problem !== undefined) throw problem
    return sendJson(reply, bare(model.sent, 'load'))
  }
  const isRaw = fields.raw === true
  if (fields.stream !== false && shared.renderOnly !== true) {
    const writer = new GenerateLines(model.sent, isRaw, startedMs)
    return streamLines(reply, answer, { model: model.sent, endpoint: 'generate', writer })
  }
  const whole = await wholeAnswer(reply.raw, answer, model.sent)
  if (whole.rendered !== undefined) {
    return sendJson(reply, { ...head(model.sent), response: '', done: false, ...debugInfo(whole.rendered) })
  }
  return sendJson(reply, wholeObject(model.sent, isRaw, whole, startedMs))
}

function checkRaw({ raw, template, system, context }: GenerateRequest): void {
  if (raw === true && (template || system || (context?.length ?? 0) > 0)) {
    throw new ApiError('bad-field', 'raw mode does not support template, system, or context')
  }
}

function generateWork(fields: GenerateRequest, images: readonly Uint8Array[]): GenerateWork {
  const { prompt = '', suffix, system, template, raw = false, context } = fields
  return {
    kind: 'generate',
    prompt,
    raw,
    ...(suffix ? { suffix } : {}),
    ...(system ? { system } : {}),
    ...(template ? { template } : {}),
    ...(context !== undefined && context.length > 0 ? { context } : {}),
    ...(images.length > 0 ? { images } : {}),
    ...answerWishes(fields),
  }
}

/** Images are looked at only where something is to be answered. */
function needs({ suffix, images, think }: GenerateWork, isEmpty: boolean): Capability[] {
  return [
    ...(suffix === undefined ? [] : (['insert'] as const)),
    ...(images === undefined || isEmpty ? [] : (['vision'] as const)),
    ...thinkNeeds(think),
  ]
}

function head(model: string): Record<string, unknown> {
  return { model, created_at: utcTime(Date.now()) }
}

function bare(model: string, doneReason: string): unknown {
  return { ...head(model), response: '', done: true, done_reason: doneReason }
}

function wholeObject(model: string, isRaw: boolean, whole: WholeAnswer, startedMs: number): unknown {
  const { text, thinking, tokens, result } = whole
  return {
    ...head(model),
    response: text,
    ...(thinking === '' ? {} : { thinking }),
    done: true,
    done_reason: result.reason,
    ...contextOf(isRaw, result, tokens),
    ...metricsOf(result, startedMs),
    ...callsOf(whole.toolCalls),
    ...(whole.logprobs.length > 0 ? { logprobs: logprobsJson(whole.logprobs) } : {}),
  }
}

/** A completion takes no tools, but a model that knows some may still call. */
function callsOf(calls: readonly ToolCall[]): Record<string, unknown> {
  return calls.length === 0 ? {} : { tool_calls: toolCallsJson(calls) }
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
  readonly #calls: ToolCall[] = []

  constructor(model: string, raw: boolean, startedMs: number) {
    this.#raw = raw
    this.#startedMs = startedMs
    this.#head = `{"model":${JSON.stringify(model)},"created_at":"`
  }

  take({ tokens, toolCalls }: TokenFrame): void {
    if (toolCalls !== undefined) this.#calls.push(...toolCalls)
    if (this.#raw) return
    for (const token of tokens) this.#tokens.push(token)
  }

  delta({ text, thinking = '', logprobs }: TokenFrame, createdAt: string): string {
    const thought = thinking === '' ? '' : `,"thinking":${JSON.stringify(thinking)}`
    const tail = logprobs === undefined ? '' : `,"logprobs":${JSON.stringify(logprobsJson(logprobs))}`
    return `${this.#head}${createdAt}","response":${JSON.stringify(text)}${thought},"done":false${tail}}\n`
  }

  final(result: InferResult, createdAt: string): string {
    const rest = {
      ...contextOf(this.#raw, result, this.#tokens),
      ...metricsOf(result, this.#startedMs),
      ...callsOf(this.#calls),
    }
    const last = JSON.stringify({ response: '', done: true, done_reason: result.reason, ...rest })
    return `${this.#head}${createdAt}",${last.slice(1)}\n`
  }
}
