/** `/omx/v1`: what this node and its cluster are doing, and the import of a model file. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  DiskAnswer,
  FactsAnswer,
  type ImportLine,
  InspectAnswer,
  ModelsAnswer,
  operationsRoutes,
  PeersAnswer,
  StatusAnswer,
} from '../../protocols/operations.ts'
import { clientSignal } from './answer.ts'
import { ApiError, asApiError } from './errors.ts'
import { checkModel } from './model-check.ts'
import { errorLine, openLines } from './ndjson.ts'
import type { RouteAbout } from './openapi.ts'
import type { ApiServices, OperationsServices } from './services.ts'
import { drained } from './stream.ts'
import { uploadOf } from './upload.ts'
import { sendJson } from './wire.ts'

/** Progress of an import is told at most this often: a person watches it. */
const progressEveryMs = 200

interface InspectQuery {
  readonly peer?: string
  readonly path?: string
  readonly cursor?: string
}

const aboutImport: RouteAbout = {
  summary: "Imports a GGUF file, which is the body, for who has this node's token.",
  streams: 'application/x-ndjson',
}

/** `draining` ends what would never end by itself. */
export function operationsRoutesFor(app: FastifyInstance, services: ApiServices, draining: AbortSignal): void {
  const { operations } = services
  app.get(
    operationsRoutes.status,
    { config: { about: { summary: 'How this node is doing.', answer: StatusAnswer } } },
    async (_request, reply) => sendJson(reply, await operations.status()),
  )
  app.get(
    operationsRoutes.peers,
    { config: { about: { summary: 'The other nodes, as this one sees them.', answer: PeersAnswer } } },
    async (_request, reply) => sendJson(reply, await operations.peers()),
  )
  app.get(
    operationsRoutes.models,
    { config: { about: { summary: 'Which version of which model is where.', answer: ModelsAnswer } } },
    async (_request, reply) => sendJson(reply, await operations.models()),
  )
  app.get(
    operationsRoutes.disk,
    { config: { about: { summary: 'What the models of this node take of its disk.', answer: DiskAnswer } } },
    async (_request, reply) => sendJson(reply, await operations.disk()),
  )
  app.get(
    operationsRoutes.inspect,
    { config: { about: { summary: 'The supervision tree of a node.', answer: InspectAnswer, query: ['peer'] } } },
    async (request, reply) => sendJson(reply, await operations.inspect(single(request.query, 'peer'))),
  )
  app.get(
    operationsRoutes.facts,
    {
      config: {
        about: {
          summary: 'What started, ended, failed or was lost on a node.',
          answer: FactsAnswer,
          query: ['peer', 'cursor'],
        },
      },
    },
    async (request, reply) =>
      sendJson(reply, await operations.facts(single(request.query, 'peer'), cursorOf(request.query))),
  )
  app.get(
    operationsRoutes.follow,
    {
      config: {
        about: {
          summary: 'The transitions of one actor, as they happen.',
          streams: 'application/x-ndjson',
          query: ['peer', 'path'],
        },
      },
    },
    (request, reply) => follow(operations, request, reply, draining),
  )
  app.put(`${operationsRoutes.models}/*`, { config: { rawBody: true, about: aboutImport } }, (request, reply) =>
    importModel(operations, request, reply),
  )
}

/** A query parameter that may be given once. */
function single(query: unknown, name: keyof InspectQuery): string | undefined {
  const value = (query as Readonly<Record<string, unknown>>)[name]
  if (value === undefined || value === '') return undefined
  if (typeof value === 'string') return value
  throw new ApiError('bad-field', `query parameter "${name}" is given more than once: give it once`)
}

/** The number that the last answer gave. */
function cursorOf(query: unknown): number | undefined {
  const text = single(query, 'cursor')
  if (text === undefined) return undefined
  const cursor = Number(text)
  if (Number.isSafeInteger(cursor) && cursor >= 0) return cursor
  throw new ApiError(
    'bad-field',
    'query parameter "cursor" must be the number of the last answer: leave it out to begin',
  )
}

async function follow(
  operations: OperationsServices,
  request: FastifyRequest,
  reply: FastifyReply,
  draining: AbortSignal,
): Promise<void> {
  const path = single(request.query, 'path') ?? ''
  const signal = AbortSignal.any([clientSignal(reply.raw), draining])
  const transitions = await operations.follow(single(request.query, 'peer'), path, signal)
  openLines(reply)
  reply.raw.flushHeaders()
  try {
    for await (const transition of transitions) {
      if (signal.aborted) break
      if (!reply.raw.write(`${JSON.stringify(transition)}\n`)) await drained(reply.raw)
    }
    reply.raw.end()
  } catch (error) {
    reply.raw.end(errorLine(asApiError(error), 'other'))
  }
}

async function importModel(
  operations: OperationsServices,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  checkToken(operations.token, request.headers.authorization)
  const { name } = checkModel((request.params as { '*': string })['*'])
  const total = Number(request.headers['content-length'] ?? 0)
  let toldMs = performance.now()
  const onProgress = (completed: number) => {
    if (performance.now() - toldMs < progressEveryMs || reply.raw.writableNeedDrain) return
    toldMs = performance.now()
    writeLine(reply, { completed, total })
  }
  try {
    const held = await operations.importGguf(name, uploadOf(request.raw), onProgress)
    writeLine(reply, { status: 'success', model: { name: held.name, digest: held.digest, size: held.sizeBytes } })
  } catch (error) {
    if (!reply.raw.headersSent) throw error
    reply.raw.write(errorLine(asApiError(error), 'other'))
  }
  reply.raw.end()
}

function writeLine(reply: FastifyReply, line: ImportLine): void {
  if (!reply.raw.headersSent) openLines(reply)
  reply.raw.write(`${JSON.stringify(line)}\n`)
}

/** Compares digests, so that the time taken says nothing about the token. */
function checkToken(token: string, authorization: string | undefined): void {
  const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
  if (timingSafeEqual(digestOf(given), digestOf(token))) return
  throw new ApiError(
    'unauthorized',
    `importing needs this node's token: send it as "Authorization: Bearer <token>"; it is in run.json in the node's data folder, and "omx-node import" reads it from there`,
  )
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
