/** `POST /v1/chat/completions`: OpenAI's chat, as a translation of the native one. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Format, TokenLogprob, Tool, ToolCall } from '../../../protocols/chat.ts'
import type { InferResult, InferWork } from '../../../protocols/infer.ts'
import { clientSignal, type TokenFrame, type WholeAnswer, wholeAnswer } from '../answer.ts'
import { chatNeeds, requireCapabilities } from '../capabilities.ts'
import { ApiError } from '../errors.ts'
import { fieldReader } from '../fields.ts'
import { checkTopLogprobs, sharedRequest } from '../inference-request.ts'
import { logprobsJson, ToolFields, toolsOf } from '../messages.ts'
import { checkModel } from '../model-check.ts'
import type { RouteAbout } from '../openapi.ts'
import type { ApiServices, NewRequest } from '../services.ts'
import { addsSomething, type StreamFormat, streamAnswer } from '../stream.ts'
import { newId } from '../surface.ts'
import { sendJson } from '../wire.ts'
import { type Call, ChatCompletion } from './answers.ts'
import { chatMessagesOf, MessageFields } from './content.ts'
import { doneEvent, fingerprint, openaiFormat, unixSeconds, usageOf } from './format.ts'
import { samplingFields, samplingOptions, thinkOfEffort } from './sampling.ts'

const ChatCompletionRequest = Type.Object({
  ...samplingFields,
  model: Type.Optional(Type.String()),
  messages: Type.Optional(Type.Array(MessageFields)),
  stream: Type.Optional(Type.Boolean()),
  stream_options: Type.Optional(Type.Object({ include_usage: Type.Optional(Type.Boolean()) })),
  max_completion_tokens: Type.Optional(Type.Integer()),
  response_format: Type.Optional(
    Type.Object({
      type: Type.Optional(Type.String()),
      json_schema: Type.Optional(Type.Object({ schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())) })),
    }),
  ),
  reasoning: Type.Optional(Type.Object({ effort: Type.Optional(Type.String()) })),
  reasoning_effort: Type.Optional(Type.String()),
  logprobs: Type.Optional(Type.Boolean()),
  top_logprobs: Type.Optional(Type.Integer()),
  tools: Type.Optional(Type.Array(ToolFields)),
  tool_choice: Type.Optional(Type.Unknown()),
})
type ChatCompletionRequest = Static<typeof ChatCompletionRequest>

const readFields = fieldReader(ChatCompletionRequest)
const about: RouteAbout = {
  summary: 'The next message of a conversation.',
  body: readFields.schema,
  answer: ChatCompletion,
  streams: 'text/event-stream',
}

export function chatCompletionsRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/v1/chat/completions', { config: { endpoint: 'chat', surface: 'openai', about } }, (request, reply) =>
    answerChat(services, request, reply),
  )
}

async function answerChat(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  checkTopLogprobs(fields.top_logprobs)
  const work = workOf(fields)
  const model = checkModel(fields.model)
  const max_tokens = fields.max_tokens ?? fields.max_completion_tokens
  const options = samplingOptions({ ...fields, ...(max_tokens === undefined ? {} : { max_tokens }) })
  await requireCapabilities(model, { endpoint: 'chat', needed: chatNeeds(work), services })
  const asked: NewRequest = {
    ...sharedRequest({ options }, model, request.headers),
    ...(fields.logprobs === true ? { logprobs: fields.top_logprobs ?? 0 } : {}),
    work,
  }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const head = { id: newId('chatcmpl-'), created: unixSeconds(Date.now()), model: model.sent }
  if (fields.stream === true) {
    const format = new ChatChunks(head, fields.stream_options?.include_usage === true)
    return streamAnswer(reply, answer, { model: model.sent, format })
  }
  return sendJson(reply, completionOf(head, await wholeAnswer(reply.raw, answer, model.sent)))
}

function workOf(fields: ChatCompletionRequest): InferWork & { readonly kind: 'chat' } {
  const messages = chatMessagesOf(fields.messages ?? [])
  // Ollama takes no notice of `tool_choice`; that no tool may be called can be had by offering none.
  const tools = fields.tool_choice === 'none' ? [] : functionTools(fields)
  const format = formatOf(fields.response_format)
  const effort = fields.reasoning?.effort || fields.reasoning_effort
  return {
    kind: 'chat',
    messages,
    ...(tools.length === 0 ? {} : { tools }),
    ...(format === undefined ? {} : { format }),
    ...(effort ? { think: thinkOfEffort(effort) } : {}),
  }
}

/** A tool of another kind is described in words of its own, which no template knows: it is left out. */
function functionTools({ tools = [] }: ChatCompletionRequest): readonly Tool[] {
  return toolsOf(tools.filter(({ type = 'function' }) => type === 'function'))
}

function formatOf(format: ChatCompletionRequest['response_format']): Format | undefined {
  if (format?.type === 'json_object') return 'json'
  if (format?.type !== 'json_schema') return undefined
  if (format.json_schema?.schema !== undefined) return format.json_schema.schema
  throw new ApiError('bad-field', 'response_format of type json_schema needs json_schema.schema')
}

interface Head {
  readonly id: string
  readonly created: number
  readonly model: string
}

function completionOf({ id, created, model }: Head, whole: WholeAnswer): ChatCompletion {
  const { text, thinking, toolCalls, logprobs, result } = whole
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    system_fingerprint: fingerprint,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text,
          ...(thinking === '' ? {} : { reasoning: thinking }),
          ...(toolCalls.length === 0 ? {} : { tool_calls: callsJson(toolCalls) }),
        },
        finish_reason: finishReason(result, toolCalls.length > 0),
        ...logprobsOf(logprobs),
      },
    ],
    usage: usageOf(result),
  }
}

function finishReason({ reason }: InferResult, hasCalls: boolean): ChatCompletion['choices'][number]['finish_reason'] {
  return reason === 'stop' && hasCalls ? 'tool_calls' : reason
}

function logprobsOf(logprobs: readonly TokenLogprob[]): object {
  return logprobs.length === 0 ? {} : { logprobs: { content: logprobsJson(logprobs) } }
}

/** Arguments are text here. */
function callsJson(calls: readonly ToolCall[]): Call[] {
  return calls.map(({ id, index, name, arguments: args }) => ({
    id,
    index,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }))
}

class ChatChunks implements StreamFormat {
  readonly #head: string
  readonly #withUsage: boolean
  readonly headers = shared.headers
  readonly failure = shared.failure
  readonly refuse = shared.refuse
  #began = false
  #called = false

  constructor({ id, created, model }: Head, withUsage: boolean) {
    this.#withUsage = withUsage
    const head = { id, object: 'chat.completion.chunk', created, model, system_fingerprint: fingerprint }
    this.#head = `data: ${JSON.stringify(head).slice(0, -1)},"choices":`
  }

  /** Thoughts and text of one frame are two chunks, the thoughts first. */
  delta(frame: TokenFrame): string {
    if (!addsSomething(frame)) return ''
    const { text, thinking = '', toolCalls = [], logprobs = [] } = frame
    const isThought = thinking !== '' && text === '' && toolCalls.length === 0
    const thought = thinking === '' ? '' : this.#chunk({ reasoning: thinking }, '', isThought ? logprobs : [])
    if (isThought) return thought
    if (toolCalls.length > 0) this.#called = true
    const calls = toolCalls.length === 0 ? {} : { tool_calls: callsJson(toolCalls) }
    return thought + this.#chunk(calls, text, logprobs)
  }

  final(result: InferResult): string {
    const choice = { index: 0, delta: {}, finish_reason: finishReason(result, this.#called) }
    const finish = `${this.#head}${JSON.stringify([choice])}}\n\n`
    const usage = this.#withUsage ? `${this.#head}[],"usage":${JSON.stringify(usageOf(result))}}\n\n` : ''
    return finish + usage + doneEvent
  }

  #chunk(extras: object, content: string, logprobs: readonly TokenLogprob[]): string {
    const role = this.#began ? {} : { role: 'assistant' }
    this.#began = true
    const choice = { index: 0, delta: { ...role, content, ...extras }, finish_reason: null, ...logprobsOf(logprobs) }
    return `${this.#head}${JSON.stringify([choice])}}\n\n`
  }
}

const shared = openaiFormat('chat')
