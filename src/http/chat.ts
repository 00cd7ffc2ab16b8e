/** `POST /api/chat`: the next message of a conversation; with no messages it loads or unloads a model. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { ToolCall } from '../../protocols/chat.ts'
import type { ChatWork, InferResult, InferWork } from '../../protocols/infer.ts'
import { clientSignal, debugInfo, metricsOf, type TokenFrame, type WholeAnswer, wholeAnswer } from './answer.ts'
import { ChatAnswer } from './answer-schemas.ts'
import { chatNeeds, requireCapabilities } from './capabilities.ts'
import { fieldReader } from './fields.ts'
import {
  answerFields,
  answerWishes,
  checkDecoded,
  checkTopLogprobs,
  formatError,
  requestWishes,
  sharedRequest,
} from './inference-request.ts'
import { logprobsJson, MessageFields, messagesOf, ToolFields, toolCallsJson, toolsOf } from './messages.ts'
import { checkModel } from './model-check.ts'
import { type LineWriter, streamLines } from './ndjson.ts'
import type { RouteAbout } from './openapi.ts'
import type { ApiServices, NewRequest } from './services.ts'
import { utcTime } from './time.ts'
import { sendJson } from './wire.ts'

const ChatRequest = Type.Object({
  ...answerFields,
  messages: Type.Optional(Type.Array(MessageFields)),
  tools: Type.Optional(Type.Array(ToolFields)),
})
type ChatRequest = Static<typeof ChatRequest>

const readFields = fieldReader(ChatRequest)
const about: RouteAbout = {
  summary: 'The next message of a conversation; without messages the model is loaded or unloaded.',
  body: readFields.schema,
  answer: ChatAnswer,
  streams: 'application/x-ndjson',
}

export function chatRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/chat', { config: { endpoint: 'chat', about } }, (request, reply) =>
    answerChat(services, request, reply),
  )
}

async function answerChat(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const startedMs = performance.now()
  const fields = readFields(request.body)
  checkDecoded(fields)
  const messages = messagesOf(fields.messages ?? [])
  checkTopLogprobs(fields.top_logprobs)
  const model = checkModel(fields.model)
  const shared = { ...sharedRequest(fields, model, request.headers), ...requestWishes(fields) }
  if (messages.length === 0 && shared.keepAliveMs === 0) {
    await services.unload(model.name)
    return sendJson(reply, { ...head(model.sent, ''), done: true, done_reason: 'unload' })
  }
  const wanted = chatWork(fields, messages)
  await requireCapabilities(model, { endpoint: 'chat', needed: chatNeeds(wanted), services })
  const problem = messages.length === 0 ? undefined : formatError(fields)
  const work: InferWork = messages.length === 0 || problem !== undefined ? { kind: 'load' } : wanted
  const answer = await services.submit({ ...shared, work } satisfies NewRequest, clientSignal(reply.raw))
  if (work.kind === 'chat' && fields.stream !== false && shared.renderOnly !== true) {
    const writer = new ChatLines(model.sent, startedMs)
    return streamLines(reply, answer, { model: model.sent, endpoint: 'chat', writer })
  }
  const whole = await wholeAnswer(reply.raw, answer, model.sent)
  if (problem !== undefined) throw problem
  if (work.kind === 'load') return sendJson(reply, { ...head(model.sent, ''), done: true, done_reason: 'load' })
  if (whole.rendered !== undefined) {
    // Nobody has said anything.
    const rendered = { ...head(model.sent, '', ''), done: false, ...debugInfo(whole.rendered) }
    return sendJson(reply, rendered)
  }
  return sendJson(reply, wholeObject(model.sent, whole, startedMs))
}

function chatWork(fields: ChatRequest, messages: ReturnType<typeof messagesOf>): ChatWork {
  const tools = toolsOf(fields.tools ?? [])
  return { kind: 'chat', messages, ...(tools.length > 0 ? { tools } : {}), ...answerWishes(fields) }
}

function head(model: string, content: string, role = 'assistant'): Record<string, unknown> {
  return { model, created_at: utcTime(Date.now()), message: { role, content } }
}

function wholeObject(model: string, whole: WholeAnswer, startedMs: number): unknown {
  const { text, thinking, toolCalls, logprobs, result } = whole
  return {
    model,
    created_at: utcTime(Date.now()),
    message: { role: 'assistant', content: text, ...extras(thinking, toolCalls) },
    done: true,
    done_reason: result.reason,
    ...(logprobs.length > 0 ? { logprobs: logprobsJson(logprobs) } : {}),
    ...metricsOf(result, startedMs),
  }
}

function extras(thinking: string, toolCalls: readonly ToolCall[]): Record<string, unknown> {
  return {
    ...(thinking === '' ? {} : { thinking }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCallsJson(toolCalls) }),
  }
}

class ChatLines implements LineWriter {
  readonly #startedMs: number
  readonly #head: string

  constructor(model: string, startedMs: number) {
    this.#startedMs = startedMs
    this.#head = `{"model":${JSON.stringify(model)},"created_at":"`
  }

  delta({ text, thinking = '', toolCalls = [], logprobs }: TokenFrame, createdAt: string): string {
    const content = JSON.stringify(text)
    const rest = thinking === '' && toolCalls.length === 0 ? '' : `,${inner(extras(thinking, toolCalls))}`
    const tail = logprobs === undefined ? '' : `,"logprobs":${JSON.stringify(logprobsJson(logprobs))}`
    return `${this.#head}${createdAt}","message":{"role":"assistant","content":${content}${rest}},"done":false${tail}}\n`
  }

  final(result: InferResult, createdAt: string): string {
    const message = { role: 'assistant', content: '' }
    const metrics = metricsOf(result, this.#startedMs)
    const last = JSON.stringify({ message, done: true, done_reason: result.reason, ...metrics })
    return `${this.#head}${createdAt}",${last.slice(1)}\n`
  }
}

/** The members of an object as JSON, without its braces. */
const inner = (value: object): string => JSON.stringify(value).slice(1, -1)
