/** `/api/pull`: a model from a registry, with its progress as lines. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { ProgressLine } from '../../actors/progress-board.ts'
import { clientSignal, counted } from './answer.ts'
import { ApiError } from './errors.ts'
import { fieldReader } from './fields.ts'
import { checkModel } from './model-check.ts'
import { errorLine, openLines } from './ndjson.ts'
import type { RouteAbout } from './openapi.ts'
import type { ApiServices, Progress } from './services.ts'
import { drained } from './stream.ts'
import { sendJson } from './wire.ts'

const readPull = fieldReader(
  Type.Object({
    model: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    insecure: Type.Optional(Type.Boolean()),
    stream: Type.Optional(Type.Boolean()),
  }),
)

const about: RouteAbout = {
  summary: 'Brings a model from a registry to this node.',
  body: readPull.schema,
  streams: 'application/x-ndjson',
}

export function pullRoute(app: FastifyInstance, services: ApiServices): void {
  app.post('/api/pull', { config: { about } }, async (request, reply) => {
    const { model, name, insecure = false, stream = true } = readPull(request.body)
    const asked = checkModel(model || name)
    const progress = await services.pull({ model: asked.name, insecure }, clientSignal(reply.raw))
    if (stream) return await streamProgress(reply, progress)
    for await (const _ of progress); // Its failure is the answer's.
    return sendJson(reply, { status: 'success' })
  })
}

/** Ollama begins such a stream before anything can fail, so a failure is its last line. */
async function streamProgress(reply: FastifyReply, progress: Progress): Promise<void> {
  openLines(reply)
  try {
    for await (const line of progress) {
      if (!reply.raw.write(lineOf(line))) await drained(reply.raw)
    }
    reply.raw.end()
  } catch (error) {
    const told = error instanceof ApiError ? error : new ApiError('internal', (error as Error).message)
    reply.raw.end(errorLine(told, 'other'))
  }
}

function lineOf({ status, digest, total, completed }: ProgressLine): string {
  if (digest === undefined) return `${JSON.stringify({ status })}\n`
  const counts = { ...counted('total', total ?? 0), ...counted('completed', completed ?? 0) }
  return `${JSON.stringify({ status, digest, ...counts })}\n`
}
