/** The HTTP server of a node: starts, drains, closes. What it answers is in the files of the routes. */
import { Server as NetServer, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { accountRoutes } from './account.ts'
import { chatRoute } from './chat.ts'
import { embeddingRoutes } from './embeddings.ts'
import { ApiError } from './errors.ts'
import { generateRoute } from './generate.ts'
import { modelRoutes } from './models.ts'
import { operationsRoutesFor } from './operations.ts'
import { originGuard } from './origin.ts'
import { rootRoutes } from './root.ts'
import type { ApiServices } from './services.ts'
import { type HttpLog, installWire, wireOptions } from './wire.ts'

export interface ListenerInit {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly services: ApiServices
  readonly log: HttpLog
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

/** Connections at once; each costs a file descriptor, of which a process commonly has at least twice as many. */
const maxConnections = 10_000

/** Starts listening. Rejects with a ListenError. */
export async function startListener({ host, port, services, log }: ListenerInit): Promise<Listener> {
  const app = Fastify(wireOptions)
  const draining = new AbortController()
  const connections = trackConnections(app, draining.signal)
  installWire(app, log)
  originGuard(app, host)
  rootRoutes(app)
  accountRoutes(app)
  modelRoutes(app, services)
  generateRoute(app, services)
  chatRoute(app, services)
  embeddingRoutes(app, services)
  operationsRoutesFor(app, services, draining.signal)
  await app.ready()
  app.server.maxConnections = maxConnections
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

/** Knows which connections have a response under way, so that a drain can close the others at once. */
function trackConnections(app: FastifyInstance, draining: AbortSignal) {
  const busy = new Map<Socket, number>()
  app.server.on('connection', (socket) => {
    busy.set(socket, 0)
    socket.once('close', () => busy.delete(socket))
  })
  app.addHook('onRequest', (request, reply, next) => {
    const { socket } = request.raw
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    reply.raw.once('close', () => {
      const left = (busy.get(socket) ?? 1) - 1
      if (busy.has(socket)) busy.set(socket, left)
      if (draining.aborted && left === 0) socket.destroySoon()
    })
    if (!draining.aborted) return next()
    reply.header('connection', 'close')
    next(new ApiError('draining'))
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
