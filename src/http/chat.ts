/** `POST /api/chat`: the next message of a conversation; with no messages it loads or unloads a model. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { ChatMessage } from '../../protocols/chat.ts'
import type { InferResult, InferWork } from '../../protocols/infer.ts'
import { maxMessages } from '../../protocols/infer-request.ts'
import { clientSignal, metricsOf, wholeAnswer } from './answer.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import {
  answerFields,
  checkTopLogprobs,
  lacksCapability,
  refuse,
  sharedRequest,
  unsupportedAnswer,
} from './inference-request.ts'
import { type AskedModel, checkModel } from './model-check.ts'
import { type LineWriter, streamLines } from './ndjson.ts'
import type { ApiServices, NewRequest } from './services.ts'
import { utcTime } from './time.ts'
import { sendJson } from './wire.ts'

/** No template knows a role of even a tenth of this. */
const maxRoleLength = 512

/** `thinking`, `tool_name` and `tool_call_id` are what a template of a model that can neither think nor call ignores. */
const MessageFields = Type.Object({
  role: Type.Optional(Type.String({ maxLength: maxRoleLength })),
  content: Type.Optional(Type.String()),
  images: Type.Optional(Type.Array(Type.String())),
  tool_calls: Type.Optional(Type.Array(Type.Unknown())),
})

const ChatRequest = Type.Object({
  ...answerFields,
  messages: Type.Optional(Type.Array(MessageFields)),
  tools: Type.Optional(Type.Array(Type.Unknown())),
})
type ChatRequest = Static<typeof ChatRequest>

const readFields = fieldReader(ChatRequest)

export function chatRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/chat', { config: { endpoint: 'chat' } }, (request, reply) => answerChat(services, request, reply))
}

async function answerChat(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const startedMs = performance.now()
  const fields = readFields(request.body)
  checkTopLogprobs(fields.top_logprobs)
  const model = checkModel(fields.model)
  const shared = sharedRequest(fields, model, request.headers)
  const messages = messagesOf(fields.messages ?? [])
  if (messages.length === 0 && shared.keepAliveMs === 0) {
    await services.unload(model.name)
    return sendJson(reply, finalObject(model.sent, '', 'unload', {}))
  }
  await refuse(unsupported(fields, model), model, services)
  const work: InferWork = messages.length === 0 ? { kind: 'load' } : { kind: 'chat', messages }
  const answer = await services.submit({ ...shared, work } satisfies NewRequest, clientSignal(reply.raw))
  if (work.kind === 'chat' && fields.stream !== false) {
    const writer = new ChatLines(model.sent, startedMs)
    return streamLines(reply, answer, { model: model.sent, endpoint: 'chat', writer })
  }
  const { text, result } = await wholeAnswer(reply.raw, answer, model.sent)
  if (work.kind === 'load') return sendJson(reply, finalObject(model.sent, '', 'load', {}))
  return sendJson(reply, finalObject(model.sent, text, result.reason, metricsOf(result, startedMs)))
}

function messagesOf(messages: readonly Static<typeof MessageFields>[]): readonly ChatMessage[] {
  if (messages.length > maxMessages) {
    throw new ApiError('bad-field', `there are ${messages.length} messages: send at most ${maxMessages} in one request`)
  }
  return messages.map(({ role = '', content = '' }) => ({ role: role.toLowerCase(), content }))
}

function unsupported(fields: ChatRequest, model: AskedModel): ApiError | undefined {
  const messages = fields.messages ?? []
  const calls = (fields.tools?.length ?? 0) > 0 || messages.some(({ tool_calls }) => (tool_calls?.length ?? 0) > 0)
  if (calls) return lacksCapability(model, 'tools')
  if (messages.some(({ images }) => (images?.length ?? 0) > 0)) return lacksCapability(model, 'vision')
  return unsupportedAnswer(fields, model)
}

function finalObject(model: string, content: string, doneReason: string, metrics: Record<string, number>): unknown {
  const message = { role: 'assistant', content }
  return { model, created_at: utcTime(Date.now()), message, done: true, done_reason: doneReason, ...metrics }
}

class ChatLines implements LineWriter {
  readonly #startedMs: number
  readonly #head: string

  constructor(model: string, startedMs: number) {
    this.#startedMs = startedMs
    this.#head = `{"model":${JSON.stringify(model)},"created_at":"`
  }

  delta(text: string, createdAt: string): string {
    const content = JSON.stringify(text)
    return `${this.#head}${createdAt}","message":{"role":"assistant","content":${content}},"done":false}\n`
  }

  final(result: InferResult, createdAt: string): string {
    const message = { role: 'assistant', content: '' }
    const metrics = metricsOf(result, this.#startedMs)
    const last = JSON.stringify({ message, done: true, done_reason: result.reason, ...metrics })
    return `${this.#head}${createdAt}",${last.slice(1)}\n`
  }
}
