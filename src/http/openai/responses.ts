/** `POST /v1/responses`: OpenAI's newest API without its memory: every request brings the whole conversation. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { InferWork } from '../../../protocols/infer.ts'
import { clientSignal, type WholeAnswer, wholeAnswer } from '../answer.ts'
import { chatNeeds, requireCapabilities } from '../capabilities.ts'
import { fieldReader } from '../fields.ts'
import { sharedRequest } from '../inference-request.ts'
import { checkModel } from '../model-check.ts'
import type { RouteAbout } from '../openapi.ts'
import type { ApiServices, NewRequest } from '../services.ts'
import { streamAnswer } from '../stream.ts'
import { newId } from '../surface.ts'
import { sendJson } from '../wire.ts'
import { Response } from './answers.ts'
import { unixSeconds } from './format.ts'
import { ResponseEvents } from './responses-events.ts'
import {
  callItem,
  completedResponse,
  itemIds,
  messageItem,
  type ResponseHead,
  reasoningItem,
} from './responses-items.ts'
import { functionTools, inputMessages, ResponsesRequest, textFormat } from './responses-request.ts'
import { thinkOfEffort } from './sampling.ts'

const readFields = fieldReader(ResponsesRequest)
const about: RouteAbout = {
  summary: 'A response; nothing of it is kept.',
  body: readFields.schema,
  answer: Response,
  streams: 'text/event-stream',
}

export function responsesRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/v1/responses', { config: { endpoint: 'chat', surface: 'openai', about } }, (request, reply) =>
    answerResponse(services, request, reply),
  )
}

async function answerResponse(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  const model = checkModel(fields.model)
  const work = workOf(fields)
  await requireCapabilities(model, { endpoint: 'chat', needed: chatNeeds(work), services })
  const asked: NewRequest = { ...sharedRequest({ options: optionsOf(fields) }, model, request.headers), work }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const head: ResponseHead = {
    id: newId('resp_'),
    createdAt: unixSeconds(Date.now()),
    model: model.sent,
    fields,
  }
  if (fields.stream === true) {
    return streamAnswer(reply, answer, { model: model.sent, format: new ResponseEvents(head) })
  }
  const whole = await wholeAnswer(reply.raw, answer, model.sent)
  return sendJson(reply, completedResponse(head, outputOf(whole), whole.result, Date.now()))
}

function workOf(fields: ResponsesRequest): InferWork & { readonly kind: 'chat' } {
  const tools = functionTools(fields)
  const format = textFormat(fields)
  const effort = fields.reasoning?.effort
  return {
    kind: 'chat',
    messages: inputMessages(fields),
    ...(tools.length === 0 ? {} : { tools }),
    ...(format === undefined ? {} : { format }),
    ...(effort ? { think: thinkOfEffort(effort) } : {}),
  }
}

/** Unlike in a chat, a `top_p` that is not given is the model's. */
function optionsOf({ max_output_tokens, temperature = 1, top_p }: ResponsesRequest): Record<string, unknown> {
  return {
    temperature,
    ...(top_p === undefined ? {} : { top_p }),
    ...(max_output_tokens === undefined ? {} : { num_predict: max_output_tokens }),
  }
}

function outputOf({ text, thinking, toolCalls }: WholeAnswer): readonly object[] {
  const says = text !== '' || toolCalls.length === 0
  return [
    ...(thinking === '' ? [] : [reasoningItem(itemIds.reasoning(), thinking)]),
    ...(says ? [messageItem(itemIds.message(), text)] : []),
    ...toolCalls.map((call) => callItem(itemIds.call(), call, true)),
  ]
}
