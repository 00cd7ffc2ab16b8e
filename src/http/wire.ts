/**
 * Makes fastify's wire Ollama's: any content type is JSON, errors are `{"error"}`, unknown routes and methods are plain
 * text, and nothing of fastify's own shapes or limits shows.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type BodyBudget, inflated, readBody } from './body.ts'
import { ApiError, type Endpoint } from './errors.ts'
import { firstJsonValue } from './json-text.ts'
import type { RouteAbout } from './openapi.ts'
import { redirectPaths } from './redirects.ts'
import { errorBody, type Surface, surfaceAt } from './surface.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose words an error uses; absent: those that most endpoints share. */
    endpoint?: Endpoint
    /** Whose shape an error has; absent: Ollama's. */
    surface?: Surface
    /** For the document of all routes. */
    about?: RouteAbout
    /** The route reads the body itself, as bytes. */
    rawBody?: boolean
  }
}

export const jsonType = 'application/json; charset=utf-8'
export const plainJsonType = 'application/json'
export const textType = 'text/plain; charset=utf-8'

/** Where defects go. */
export interface HttpLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** A request's line and headers must be there by then: no client needs longer, and a slow one holds a socket. */
const headersTimeoutMs = 20_000

/** How often sockets are checked against that. */
const connectionsCheckMs = 5_000

/** Idle sockets stay for this long: longer than the minute after which common proxies drop theirs. */
const keepAliveTimeoutMs = 72_000

/** Model names in a path are at most 80 + 80 + 350 characters and their percent-encoding. */
const maxParameterLength = 2_048

export const wireOptions = {
  logger: false,
  exposeHeadRoutes: false,
  http: { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: connectionsCheckMs },
  // Bodies have limits of their own: one for JSON, another for a model of many gigabytes.
  requestTimeout: 0,
  keepAliveTimeout: keepAliveTimeoutMs,
  // A slash at the end is sent on where it is none of the path: only the router knows.
  routerOptions: { ignoreTrailingSlash: true, maxParamLength: maxParameterLength },
  // Such as a path whose encoding is broken: no route was found for it.
  frameworkErrors: (error, request, reply) => {
    void sendError(reply, error.statusCode ?? 400, error.message, { surface: surfaceAt(request.url) })
  },
  clientErrorHandler: refuseConnection,
} satisfies FastifyHttpOptions<Server>

/** Prepares an instance made with `wireOptions`; call it before any route is added. */
export function installWire(app: FastifyInstance, log: HttpLog, bodies: BodyBudget): void {
  const methods = collectMethods(app)
  redirectPaths(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, payload, done) => {
    if (request.is404 || request.routeOptions.config.rawBody === true) return done(null, payload)
    readBody(request.raw, bodies)
      .then((bytes) => inflated(request.raw, bytes, bodies))
      .then((bytes) => firstJsonValue(bytes.toString('utf8')))
      .then(
        (body) => done(null, body),
        (error) => done(error),
      )
  })
  // Whatever the client calls it, it is read the same; and fastify refuses types that it cannot parse.
  app.addHook('onRequest', (request, reply, next) => {
    reply.raw.once('close', () => bodies.release(request.raw))
    delete request.raw.headers['content-type']
    next()
  })
  app.setNotFoundHandler((request, reply) => answerUnknown(methods, request, reply))
  app.setErrorHandler((error, request, reply) => answerError(error as Error, request, reply, log))
}

/** Answers one JSON object. On the surfaces of others it names no charset and ends with a newline, as Ollama's does. */
export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  const text = JSON.stringify(value)
  if (reply.request.routeOptions.config.surface === undefined) return reply.header('content-type', jsonType).send(text)
  return reply.header('content-type', plainJsonType).send(Buffer.from(`${text}\n`))
}

function answerError(error: Error, request: FastifyRequest, reply: FastifyReply, log: HttpLog): void {
  const { surface = 'ollama' } = request.routeOptions.config
  if (error instanceof ApiError) {
    const { endpoint = 'other' } = request.routeOptions.config
    const { status, words } = error.on(endpoint, surface)
    // What is left of such a body may never come. Of others the rest is read, so that the client comes to read the answer:
    // fastify would hang up on it.
    if (error.code === 'body-timeout') reply.header('connection', 'close')
    else if (request.raw.readableFlowing === true) reply.removeHeader('connection')
    return void sendError(reply, status, words, { surface, code: error.code })
  }
  const { statusCode } = error as { statusCode?: number }
  if (statusCode !== undefined && statusCode < 500) return void sendError(reply, statusCode, error.message, { surface })
  log.error({ err: error, method: request.method, url: request.url }, 'a request ended in a defect')
  sendError(reply, 500, `internal error: ${error.message}`, { surface })
}

/** Answers an error in a surface's shape, Ollama's by default. Bytes, here and above: fastify adds a charset to strings. */
export function sendError(
  reply: FastifyReply,
  status: number,
  words: string,
  {
    surface = 'ollama',
    code,
    type = isTranslated(surface, code) ? plainJsonType : jsonType,
  }: { readonly type?: string; readonly surface?: Surface; readonly code?: string } = {},
): FastifyReply {
  const text = JSON.stringify(errorBody(surface, status, words, code))
  return reply
    .code(status)
    .header('content-type', type)
    .send(Buffer.from(isTranslated(surface, code) ? `${text}\n` : text))
}

/** Errors of a request that cannot be read. */
const readingErrors: ReadonlySet<string | undefined> = new Set(['missing-body', 'bad-json', 'bad-field'])

/** Whether it is an error of the native route that Ollama writes anew for this surface, as it writes answers there. */
function isTranslated(surface: Surface, code: string | undefined): boolean {
  return (surface === 'openai' || surface === 'anthropic') && !readingErrors.has(code)
}

/** The methods of every route, for 405. */
function collectMethods(app: FastifyInstance): ReadonlyMap<string, Set<string>> {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ method, url }) => {
    const known = methods.get(url) ?? new Set()
    for (const one of [method].flat()) known.add(one)
    methods.set(url, known)
  })
  return methods
}

function answerUnknown(
  methods: ReadonlyMap<string, Set<string>>,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const allowed = allowedFor(methods, request.url.replace(/\?.*/s, ''))
  if (allowed === undefined) return reply.code(404).type(textType).send('404 page not found')
  return reply
    .code(405)
    .header('allow', [...allowed].join(', '))
    .type(textType)
    .send('405 method not allowed')
}

function allowedFor(methods: ReadonlyMap<string, Set<string>>, path: string): Set<string> | undefined {
  const exact = methods.get(path)
  if (exact !== undefined) return exact
  const steps = path.split('/')
  return [...methods].find(([url]) => fits(steps, url.split('/')))?.[1]
}

/** Whether a path is one of a route's, whose steps are words, names of any step (`:model`) or, at its end, any number (`*`). */
function fits(steps: readonly string[], route: readonly string[]): boolean {
  const isOpen = route.at(-1) === '*'
  if (isOpen ? steps.length < route.length : steps.length !== route.length) return false
  return route.every((step, at) => step === '*' || step.startsWith(':') || step === steps[at])
}

/** Answers what is not HTTP at all, or came too slowly, and ends the connection. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  // Something was answered here before: what we write now could be taken for a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy()
  const [status, words] = refusals[error.code ?? ''] ?? ['400 Bad Request', 'this is not an HTTP request']
  const body = JSON.stringify({ error: words })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: ${jsonType}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}

const refusals: Readonly<Record<string, readonly [status: string, words: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the request line and headers are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request line and headers did not arrive in time'],
}
