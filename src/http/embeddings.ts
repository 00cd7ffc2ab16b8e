/** `POST /api/embed`: vectors of many texts, normalized. `POST /api/embeddings`: its predecessor, of one text, raw. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { InferResult } from '../../protocols/infer.ts'
import { maxInputs } from '../../protocols/infer-request.ts'
import { batchesFor, clientSignal, counted, cutShort, errorOf, wholeAnswer } from './answer.ts'
import { EmbedAnswer, EmbeddingsAnswer } from './answer-schemas.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import { checkDecoded, computeFields, sharedRequest } from './inference-request.ts'
import { checkModel } from './model-check.ts'
import type { RouteAbout } from './openapi.ts'
import type { Answer, ApiServices } from './services.ts'
import { jsonType, sendJson } from './wire.ts'

/** More than any model's vectors have. */
export const maxDimensions = 1_000_000

const readEmbed = fieldReader(
  Type.Object({
    ...computeFields,
    input: Type.Optional(Type.Unknown()),
    truncate: Type.Optional(Type.Boolean()),
    dimensions: Type.Optional(Type.Integer({ maximum: maxDimensions })),
  }),
)

const readEmbeddings = fieldReader(Type.Object({ ...computeFields, prompt: Type.Optional(Type.String()) }))

const aboutEmbed: RouteAbout = { summary: 'Vectors of texts, normalized.', body: readEmbed.schema, answer: EmbedAnswer }
const aboutEmbeddings: RouteAbout = {
  summary: 'The vector of one text, as it is.',
  body: readEmbeddings.schema,
  answer: EmbeddingsAnswer,
}

export function embeddingRoutes(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/embed', { config: { endpoint: 'embed', about: aboutEmbed } }, (request, reply) =>
    answerEmbed(services, request, reply),
  )
  app.post('/api/embeddings', { config: { endpoint: 'embeddings', about: aboutEmbeddings } }, (request, reply) =>
    answerEmbeddings(services, request, reply),
  )
}

async function answerEmbed(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const startedMs = performance.now()
  const fields = readEmbed(request.body)
  checkDecoded(fields)
  const model = checkModel(fields.model)
  const input = inputOf(fields.input)
  const shared = sharedRequest(fields, model, request.headers)
  const signal = clientSignal(reply.raw)
  if (input.length === 0) {
    await wholeAnswer(reply.raw, await services.submit({ ...shared, work: { kind: 'load' } }, signal), model.sent)
    return sendJson(reply, { model: model.sent, embeddings: [] })
  }
  const { truncate = true, dimensions = 0 } = fields
  const limit = dimensions > 0 ? { dimensions } : {}
  const work = { kind: 'embed', input, truncate, normalize: true, ...limit } as const
  const answer = await services.submit({ ...shared, work }, signal)
  const { vectors, result } = await collectVectors(reply, answer, { model: model.sent, count: input.length })
  const metrics = {
    total_duration: Math.max(1, Math.round((performance.now() - startedMs) * 1e6)),
    load_duration: Math.max(1, Math.round(result.loadNs)),
    ...counted('prompt_eval_count', result.promptTokens),
  }
  return reply.header('content-type', jsonType).send(Readable.from(embedPieces(model.sent, vectors, metrics)))
}

/** Piece by piece: the JSON of thousands of vectors in one go would hold the whole node up for seconds. */
function* embedPieces(model: string, vectors: readonly Float32Array[], metrics: object): Generator<string, void, void> {
  yield `{"model":${JSON.stringify(model)},"embeddings":[`
  let separator = ''
  for (const vector of vectors) {
    yield separator + JSON.stringify(Array.from(vector))
    separator = ','
  }
  yield `],${JSON.stringify(metrics).slice(1)}`
}

async function answerEmbeddings(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readEmbeddings(request.body)
  checkDecoded(fields)
  const model = checkModel(fields.model)
  const shared = sharedRequest(fields, model, request.headers)
  const signal = clientSignal(reply.raw)
  const { prompt = '' } = fields
  if (prompt === '') {
    await wholeAnswer(reply.raw, await services.submit({ ...shared, work: { kind: 'load' } }, signal), model.sent)
    return sendJson(reply, { embedding: [] })
  }
  // This route never cut its input.
  const work = { kind: 'embed', input: [prompt], truncate: false, normalize: false } as const
  const answer = await services.submit({ ...shared, work }, signal)
  const { vectors } = await collectVectors(reply, answer, { model: model.sent, count: 1 })
  return sendJson(reply, { embedding: Array.from(vectors[0] ?? []) })
}

/** Absent, `""` and `[]` are all no input. */
export function inputOf(input: unknown): readonly string[] {
  if (input === undefined || input === '') return []
  if (typeof input === 'string') return [input]
  if (!Array.isArray(input) || !input.every((text) => typeof text === 'string')) {
    throw new ApiError('bad-field', 'invalid input type')
  }
  if (input.length > maxInputs) {
    throw new ApiError('bad-field', `input has ${input.length} texts: send at most ${maxInputs} in one request`)
  }
  return input
}

/** The vectors in the order of the texts. Throws ApiError when one is missing or not a vector of numbers. */
export async function collectVectors(
  reply: FastifyReply,
  answer: Answer,
  { model, count }: { readonly model: string; readonly count: number },
): Promise<{ readonly vectors: readonly Float32Array[]; readonly result: InferResult }> {
  const vectors = new Map<number, Float32Array>()
  for await (const batch of batchesFor(reply.raw, answer)) {
    for (const frame of batch) {
      const error = errorOf(frame, model)
      if (error !== undefined) throw error
      if (frame.kind === 'embedding') vectors.set(frame.index, checked(frame.vector))
      if (frame.kind === 'done') return { vectors: inOrder(vectors, count), result: frame }
    }
  }
  throw cutShort(reply.raw)
}

function checked(vector: Float32Array): Float32Array {
  if (vector.every(Number.isFinite)) return vector
  throw new ApiError('invalid-request', 'embedding contains NaN or Inf values')
}

function inOrder(vectors: ReadonlyMap<number, Float32Array>, count: number): readonly Float32Array[] {
  return Array.from({ length: count }, (_, index) => {
    const vector = vectors.get(index)
    if (vector === undefined) throw new ApiError('internal', `the engine gave no embedding of input ${index}`)
    return vector
  })
}
