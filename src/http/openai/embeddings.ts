/** `POST /v1/embeddings`: vectors as OpenAI's clients want them, as numbers or as base64. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { clientSignal } from '../answer.ts'
import { collectVectors, inputOf, maxDimensions } from '../embeddings.ts'
import { ApiError } from '../errors.ts'
import { fieldReader } from '../fields.ts'
import { sharedRequest } from '../inference-request.ts'
import { checkModel } from '../model-check.ts'
import type { RouteAbout } from '../openapi.ts'
import type { ApiServices } from '../services.ts'
import { plainJsonType } from '../wire.ts'
import { EmbeddingList } from './answers.ts'

const readFields = fieldReader(
  Type.Object({
    model: Type.Optional(Type.String()),
    input: Type.Optional(Type.Unknown()),
    dimensions: Type.Optional(Type.Integer({ maximum: maxDimensions })),
    encoding_format: Type.Optional(Type.String()),
  }),
)
const about: RouteAbout = {
  summary: 'Vectors of texts.',
  body: readFields.schema,
  answer: EmbeddingList,
}

export function openaiEmbeddingsRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/v1/embeddings', { config: { endpoint: 'embed', surface: 'openai', about } }, (request, reply) =>
    answerEmbeddings(services, request, reply),
  )
}

async function answerEmbeddings(services: ApiServices, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const fields = readFields(request.body)
  const encode = encoderOf(fields.encoding_format)
  // Only here an empty text is a text.
  const input = fields.input === '' ? [''] : inputOf(fields.input)
  if (input.length === 0) throw new ApiError('bad-field', 'invalid input')
  const model = checkModel(fields.model)
  const { dimensions = 0 } = fields
  const work = {
    kind: 'embed',
    input,
    truncate: true,
    normalize: true,
    ...(dimensions > 0 ? { dimensions } : {}),
  } as const
  const asked = { ...sharedRequest({}, model, request.headers), work }
  const answer = await services.submit(asked, clientSignal(reply.raw))
  const { vectors, result } = await collectVectors(reply, answer, { model: model.sent, count: input.length })
  const { promptTokens } = result
  const rest = { model: model.sent, usage: { prompt_tokens: promptTokens, total_tokens: promptTokens } }
  return reply.header('content-type', plainJsonType).send(Readable.from(pieces(vectors.map(encode), rest)))
}

/** Piece by piece: the JSON of thousands of vectors in one go would hold the whole node up for seconds. */
function* pieces(encoded: Iterable<() => string>, rest: object): Generator<string, void, void> {
  yield '{"object":"list","data":['
  let index = 0
  for (const text of encoded) {
    yield `${index === 0 ? '' : ','}{"object":"embedding","embedding":${text()},"index":${index}}`
    index += 1
  }
  yield `],${JSON.stringify(rest).slice(1)}\n`
}

/** Throws ApiError `bad-field`. */
function encoderOf(format = ''): (vector: Float32Array) => () => string {
  if (format === '' || format.toLowerCase() === 'float') return (vector) => () => JSON.stringify(Array.from(vector))
  if (format.toLowerCase() === 'base64') return (vector) => () => JSON.stringify(base64Of(vector))
  throw new ApiError(
    'bad-field',
    `Invalid value for 'encoding_format' = ${format.slice(0, 100)}. Supported values: ['float', 'base64'].`,
  )
}

/** Little-endian, as every machine that Node runs on keeps its floats. */
function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}
