/** The HTTP server of a node: starts, drains, closes. What it answers is in the files of the routes. */
import { Server as NetServer, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { accountRoutes } from './account.ts'
import { anthropicRoutes } from './anthropic/messages.ts'
import { blobRoutes } from './blobs.ts'
import { BodyBudget } from './body.ts'
import { chatRoute } from './chat.ts'
import { createRoute } from './create.ts'
import { embeddingRoutes } from './embeddings.ts'
import { ApiError } from './errors.ts'
import { generateRoute } from './generate.ts'
import { modelRoutes } from './models.ts'
import { openaiRoutes } from './openai/routes.ts'
import { collectRoutes } from './openapi.ts'
import { operationsRoutesFor } from './operations.ts'
import { originGuard } from './origin.ts'
import { registryRoutes } from './registry/routes.ts'
import { rootRoutes } from './root.ts'
import type { ApiServices } from './services.ts'
import { transferRoutes } from './transfers.ts'
import { type HttpLog, installWire, sendJson, wireOptions } from './wire.ts'

export interface ListenerInit {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Web pages that may ask beside the usual ones; see `origin.ts`. */
  readonly origins?: readonly string[]
  readonly services: ApiServices
  readonly log: HttpLog
  /** Default: those below. */
  readonly limits?: Partial<ListenerLimits>
}

export interface ListenerLimits {
  /** Connections that are served at once. */
  readonly maxConnections: number
  /** JSON bodies of all requests that are being read or answered. */
  readonly maxBodiesBytes: number
  /** A client that takes nothing of its answer for this long is taken for gone. */
  readonly maxStallMs: number
}

export interface Listener {
  /** Where it really listens. */
  readonly address: { readonly host: string; readonly port: number }
  /**
   * Takes no more connections and answers new requests on old ones with 503. Resolves when every response under way has
   * ended; idle connections are closed at once.
   */
  drain(): Promise<void>
  /** Ends at once, responses under way included. */
  close(): Promise<void>
}

/** Thrown when the address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: 'address-in-use' | 'not-permitted' | 'no-such-address' | 'failed'
  readonly host: string
  readonly port: number

  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    const code = listenCodes[cause.code ?? ''] ?? 'failed'
    super(`cannot listen on ${host}:${port}: ${code === 'failed' ? cause.message : code.replaceAll('-', ' ')}`, {
      cause,
    })
    this.code = code
    this.host = host
    this.port = port
  }
}

const listenCodes: Readonly<Record<string, ListenError['code']>> = {
  EADDRINUSE: 'address-in-use',
  EACCES: 'not-permitted',
  EADDRNOTAVAIL: 'no-such-address',
  ENOTFOUND: 'no-such-address',
}

const defaultLimits: ListenerLimits = {
  // Each costs a file descriptor, of which a process commonly has at least twice as many.
  maxConnections: 10_000,
  // Eight of the largest, or half a mebibyte for each request of a full queue.
  maxBodiesBytes: 256 * 1024 * 1024,
  // Its answer holds a slot of an engine, and what waits for it holds memory.
  maxStallMs: 5 * 60_000,
}

/** Connections beyond the limit that are told so; more are closed without a word. */
const maxSurplusConnections = 256

/** Starts listening. Rejects with a ListenError. */
export async function startListener(init: ListenerInit): Promise<Listener> {
  const { host, port, origins = [], services, log } = init
  const limits = { ...defaultLimits, ...init.limits }
  const app = Fastify({ ...wireOptions, connectionTimeout: limits.maxStallMs })
  const draining = new AbortController()
  const connections = trackConnections(app, draining.signal, limits.maxConnections)
  installWire(app, log, new BodyBudget(limits.maxBodiesBytes))
  originGuard(app, { host, origins })
  const openapi = collectRoutes(app)
  app.get('/omx/v1/openapi.json', { config: { about: { summary: 'This document.' } } }, (_request, reply) =>
    sendJson(reply, openapi()),
  )
  rootRoutes(app)
  accountRoutes(app)
  modelRoutes(app, services)
  blobRoutes(app, services)
  createRoute(app, services)
  transferRoutes(app, services)
  registryRoutes(app, services)
  generateRoute(app, services)
  chatRoute(app, services)
  embeddingRoutes(app, services)
  openaiRoutes(app, services)
  anthropicRoutes(app, services)
  operationsRoutesFor(app, services, draining.signal)
  await app.ready()
  app.server.maxConnections = limits.maxConnections + maxSurplusConnections
  const address = await listen(app, host, port)
  // Such as no file descriptor left for a connection: the others go on.
  app.server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'))
  const ended = new Promise<void>((resolve) => app.server.once('close', resolve))
  return {
    address,
    drain: () => {
      if (!draining.signal.aborted) {
        draining.abort()
        // Not the HTTP server's own close: that also destroys connections whose last response is still being sent.
        NetServer.prototype.close.call(app.server)
        connections.closeIdle()
      }
      return ended
    },
    close: async () => {
      draining.abort()
      connections.closeAll()
      await app.close()
    },
  }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<Listener['address']> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => reject(new ListenError(host, port, error))
    app.server.once('error', fail)
    app.server.listen({ host, port }, () => {
      app.server.off('error', fail)
      resolve()
    })
  })
  const address = app.server.address()
  return { host, port: typeof address === 'object' && address !== null ? address.port : port }
}

/**
 * Knows which connections have a response under way, so that a drain can close the others at once, and so that only a
 * client that keeps what was written for it from leaving counts as silent: one that waits for its first token does not.
 */
function trackConnections(app: FastifyInstance, draining: AbortSignal, maxConnections: number) {
  const busy = new Map<Socket, number>()
  const surplus = new WeakSet<Socket>()
  app.server.on('connection', (socket) => {
    if (busy.size >= maxConnections) surplus.add(socket)
    busy.set(socket, 0)
    socket.once('close', () => busy.delete(socket))
  })
  app.server.on('timeout', (socket) => {
    if (busy.get(socket) === 0 || socket.writableLength > 0) socket.destroy()
  })
  app.addHook('onRequest', (request, reply, next) => {
    const { socket } = request.raw
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    reply.raw.once('close', () => {
      const left = (busy.get(socket) ?? 1) - 1
      if (busy.has(socket)) busy.set(socket, left)
      if (draining.aborted && left === 0) socket.destroySoon()
    })
    if (!draining.aborted && !surplus.has(socket)) return next()
    reply.header('connection', 'close')
    next(new ApiError(draining.aborted ? 'draining' : 'busy'))
  })
  return {
    closeIdle: () => {
      for (const [socket, responses] of busy) if (responses === 0) socket.destroy()
    },
    closeAll: () => {
      for (const socket of busy.keys()) socket.destroy()
    },
  }
}
