/** `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's API, as a translation of the native chat. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ChatWork } from '../../../protocols/infer.ts'
import { clientSignal, type WholeAnswer, wholeAnswer } from '../answer.ts'
import { chatNeeds, requireCapabilities } from '../capabilities.ts'
import { ApiError } from '../errors.ts'
import { fieldReader } from '../fields.ts'
import { sharedRequest } from '../inference-request.ts'
import { type AskedModel, checkModel } from '../model-check.ts'
import type { RouteAbout } from '../openapi.ts'
import type { ApiServices, NewRequest } from '../services.ts'
import { streamAnswer } from '../stream.ts'
import { newId } from '../surface.ts'
import { sendJson } from '../wire.ts'
import { Message, TokenCount } from './answers.ts'
import { callBlock, MessageEvents, type MessageHead, stopReason, usageOf } from './events.ts'
import { clientTools, conversationOf, MessagesRequest, optionsOf, thinkOf } from './request.ts'

const readFields = fieldReader(MessagesRequest)
const about: RouteAbout = {
  summary: 'The next message of a conversation.',
  body: readFields.schema,
  answer: Message,
  streams: 'text/event-stream',
}

const aboutCount: RouteAbout = {
  summary: 'How many tokens a conversation is.',
  body: readFields.schema,
  answer: TokenCount,
}

/** Characters of a token, as a rule of thumb. */
const charactersPerToken = 4

export function anthropicRoutes(app: FastifyInstance, services: ApiServices): void {
  app.post('/v1/messages', { config: { endpoint: 'chat', surface: 'anthropic', about } }, (request, reply) =>
    answerMessages(services, request, reply),
  )
  // Ollama has no such route; agents ask it how full the context is.
  app.post(
    '/v1/messages/count_tokens',
    { config: { endpoint: 'chat', surface: 'anthropic', about: aboutCount } },
    (request, reply) => countTokens(services, request, reply),
  )
}

async function answerMessages(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  const model = checkModel(fields.model)
  if ((fields.max_tokens ?? 0) <= 0) throw new ApiError('bad-field', 'max_tokens is required and must be positive')
  const work = await thinkable(workOf(fields), model, services)
  await requireCapabilities(model, { endpoint: 'chat', needed: chatNeeds(work), services })
  const asked: NewRequest = { ...sharedRequest({ options: optionsOf(fields) }, model, request.headers), work }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const head: MessageHead = { id: newId('msg_'), model: model.sent, estimatedTokens: estimateOf(work) }
  if (fields.stream === true) {
    return streamAnswer(reply, answer, { model: model.sent, format: new MessageEvents(head) })
  }
  return sendJson(reply, messageOf(head, await wholeAnswer(reply.raw, answer, model.sent)))
}

/** The prompt is rendered and counted by the model's own tokenizer, where its engine has one; nothing is computed. */
async function countTokens(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  const model = checkModel(fields.model)
  const work = await thinkable(workOf(fields), model, services)
  await requireCapabilities(model, { endpoint: 'chat', needed: chatNeeds(work), services })
  const asked: NewRequest = { ...sharedRequest({}, model, request.headers), renderOnly: true, truncate: false, work }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const { rendered, result } = await wholeAnswer(reply.raw, answer, model.sent)
  return sendJson(reply, { input_tokens: result.promptTokens || tokensIn(rendered?.prompt.length ?? 0) })
}

function workOf(fields: MessagesRequest): ChatWork {
  const tools = clientTools(fields)
  const think = thinkOf(fields)
  const { format } = fields.output_config ?? {}
  return {
    kind: 'chat',
    messages: conversationOf(fields),
    ...(tools.length === 0 ? {} : { tools }),
    ...(think === undefined ? {} : { think }),
    ...(format?.type === 'json_schema' && format.schema !== undefined ? { format: format.schema } : {}),
  }
}

/** Agents ask every model to think: one that cannot answers without, where the native API refuses. */
async function thinkable(work: ChatWork, model: AskedModel, services: ApiServices): Promise<ChatWork> {
  if (work.think === undefined || work.think === false) return work
  const held = await services.find(model.name)
  if (held === undefined || held.capabilities.includes('thinking')) return work
  const { think: _dropped, ...rest } = work
  return rest
}

function estimateOf({ messages }: ChatWork): number {
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0)
  return tokensIn(characters)
}

const tokensIn = (characters: number): number => Math.ceil(characters / charactersPerToken)

function messageOf({ id, model }: MessageHead, { text, thinking, toolCalls, result }: WholeAnswer): Message {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [
      ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: '' } as const]),
      ...(text === '' ? [] : [{ type: 'text', text } as const]),
      ...toolCalls.map(callBlock),
    ],
    stop_reason: stopReason(result, toolCalls.length > 0),
    stop_sequence: null,
    usage: usageOf(result),
  }
}
