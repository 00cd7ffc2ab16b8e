/** `POST /v1/completions`: OpenAI's older completion, through the model's template as Ollama has it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { TokenLogprob } from '../../../protocols/chat.ts'
import type { InferResult, InferWork } from '../../../protocols/infer.ts'
import { clientSignal, type TokenFrame, type WholeAnswer, wholeAnswer } from '../answer.ts'
import { requireCapabilities } from '../capabilities.ts'
import { fieldReader } from '../fields.ts'
import { checkTopLogprobs, sharedRequest } from '../inference-request.ts'
import { logprobsJson } from '../messages.ts'
import { checkModel } from '../model-check.ts'
import type { RouteAbout } from '../openapi.ts'
import type { ApiServices, NewRequest } from '../services.ts'
import { type StreamFormat, streamAnswer } from '../stream.ts'
import { newId } from '../surface.ts'
import { sendJson } from '../wire.ts'
import { Completion } from './answers.ts'
import { doneEvent, fingerprint, openaiFormat, unixSeconds, usageOf } from './format.ts'
import { checkStops, samplingFields, samplingOptions } from './sampling.ts'

const CompletionRequest = Type.Object({
  ...samplingFields,
  model: Type.Optional(Type.String()),
  prompt: Type.Optional(Type.String()),
  suffix: Type.Optional(Type.String()),
  stream: Type.Optional(Type.Boolean()),
  stream_options: Type.Optional(Type.Object({ include_usage: Type.Optional(Type.Boolean()) })),
  /** How many alternatives of each token. */
  logprobs: Type.Optional(Type.Integer()),
})

type CompletionRequest = Static<typeof CompletionRequest>

const readFields = fieldReader(CompletionRequest)
const about: RouteAbout = {
  summary: 'A completion.',
  body: readFields.schema,
  answer: Completion,
  streams: 'text/event-stream',
}

export function completionsRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/v1/completions', { config: { endpoint: 'generate', surface: 'openai', about } }, (request, reply) =>
    answerCompletion(services, request, reply),
  )
}

async function answerCompletion(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  checkStops(fields.stop)
  checkTopLogprobs(fields.logprobs)
  const model = checkModel(fields.model)
  const work = workOf(fields)
  const needed = fields.suffix ? (['insert'] as const) : []
  await requireCapabilities(model, { endpoint: 'generate', needed, services })
  const asked: NewRequest = {
    ...sharedRequest({ options: optionsOf(fields) }, model, request.headers),
    ...(fields.logprobs === undefined ? {} : { logprobs: fields.logprobs }),
    work,
  }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const head = { id: newId('cmpl-'), created: unixSeconds(Date.now()), model: model.sent }
  if (fields.stream === true) {
    const format = new CompletionChunks(head, fields.stream_options?.include_usage === true)
    return streamAnswer(reply, answer, { model: model.sent, format })
  }
  return sendJson(reply, completionOf(head, await wholeAnswer(reply.raw, answer, model.sent)))
}

/** As on the native route an empty prompt only loads, which is then the reason why the answer ends. */
function workOf({ prompt = '', suffix }: CompletionRequest): InferWork {
  if (prompt === '') return { kind: 'load' }
  return { kind: 'generate', prompt, raw: false, ...(suffix ? { suffix } : {}) }
}

/** Here no `top_p` is OpenAI's, also where it is 0, and penalties are never the model's. */
function optionsOf(fields: CompletionRequest): Record<string, unknown> {
  const { top_p, frequency_penalty = 0, presence_penalty = 0 } = fields
  return samplingOptions({ ...fields, top_p: top_p || 1, frequency_penalty, presence_penalty })
}

interface Head {
  readonly id: string
  readonly created: number
  readonly model: string
}

const object = 'text_completion'

function completionOf({ id, created, model }: Head, { text, logprobs, result }: WholeAnswer): Completion {
  return {
    id,
    object,
    created,
    model,
    system_fingerprint: fingerprint,
    choices: [{ text, index: 0, ...logprobsOf(logprobs), finish_reason: result.reason }],
    usage: usageOf(result),
  }
}

function logprobsOf(logprobs: readonly TokenLogprob[]): object {
  return logprobs.length === 0 ? {} : { logprobs: { content: logprobsJson(logprobs) } }
}

class CompletionChunks implements StreamFormat {
  readonly #head: string
  readonly #tail: string
  readonly #withUsage: boolean
  readonly headers = shared.headers
  readonly failure = shared.failure
  readonly refuse = shared.refuse

  constructor({ id, created, model }: Head, withUsage: boolean) {
    this.#withUsage = withUsage
    const head = { id, object, created, model, system_fingerprint: fingerprint }
    this.#head = `data: ${JSON.stringify(head).slice(0, -1)},"choices":`
    // Who asks for the usage gets a field for it in every chunk, of zeros until the last.
    this.#tail = withUsage ? `,"usage":${JSON.stringify(usageOf({ promptTokens: 0, evalTokens: 0 }))}}\n\n` : '}\n\n'
  }

  delta({ text, logprobs = [] }: TokenFrame): string {
    if (text === '' && logprobs.length === 0) return ''
    return this.#chunk({ text, index: 0, ...logprobsOf(logprobs), finish_reason: null })
  }

  final(result: InferResult): string {
    const last = this.#chunk({ text: '', index: 0, finish_reason: result.reason })
    const usage = this.#withUsage ? `${this.#head}[],"usage":${JSON.stringify(usageOf(result))}}\n\n` : ''
    return last + usage + doneEvent
  }

  #chunk(choice: object): string {
    return `${this.#head}${JSON.stringify([choice])}${this.#tail}`
  }
}

const shared = openaiFormat('generate')
