/** What a node serves, as an OpenAPI 3.1 document: made from the routes and the schemas that read their requests. */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { version } from '../version.ts'
import type { Surface } from './surface.ts'

/** What a route says of itself. */
export interface RouteAbout {
  readonly summary: string
  /** Of its JSON body. */
  readonly body?: TSchema
  /** Of its answer, where that is one JSON value with a schema. */
  readonly answer?: TSchema
  /** What the answer may be a stream of. */
  readonly streams?: 'application/x-ndjson' | 'text/event-stream'
  /** Query parameters, all of them optional texts. */
  readonly query?: readonly string[]
}

interface KnownRoute {
  readonly method: string
  readonly url: string
  readonly surface: Surface
  readonly about: RouteAbout
}

const errorSchemas: Readonly<Record<Surface, object>> = {
  ollama: objectOf({ error: { type: 'string' } }),
  openai: objectOf({
    error: objectOf({ message: { type: 'string' }, type: { type: 'string' }, param: {}, code: {} }),
  }),
  registry: objectOf({
    errors: { type: 'array', items: objectOf({ code: { type: 'string' }, message: { type: 'string' } }) },
  }),
  anthropic: objectOf({
    type: { const: 'error' },
    error: objectOf({ type: { type: 'string' }, message: { type: 'string' } }),
    request_id: { type: 'string' },
  }),
}

function objectOf(properties: Readonly<Record<string, unknown>>): object {
  return { type: 'object', properties, required: Object.keys(properties) }
}

/** Collects the routes that are added from here on. The document is complete when the listener is ready. */
export function collectRoutes(app: FastifyInstance): () => object {
  const routes: KnownRoute[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    const { about, surface = 'ollama' } = config ?? {}
    if (about === undefined)
      throw new Error(`${String(method)} ${url} says nothing of itself: give its config an "about"`)
    for (const one of [method].flat()) routes.push({ method: one.toLowerCase(), url, surface, about })
  })
  return () => documentOf(routes)
}

function documentOf(routes: readonly KnownRoute[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = templateOf(route.url)
    paths[path] = { ...paths[path], [route.method]: operationOf(route, path) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'OllamaMax',
      version,
      description: 'Every node serves all of this for its whole cluster. Fields that are not named here are ignored.',
    },
    paths,
  }
}

/** Fastify's `:name` and `*` as OpenAPI's `{name}` and `{model}`. */
const templateOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{model}')

function operationOf({ surface, about }: KnownRoute, path: string): object {
  const { summary, body, query = [] } = about
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true }))
  const inQuery = query.map((name) => ({ name, in: 'query', required: false }))
  const parameters = [...inPath, ...inQuery].map((parameter) => ({ ...parameter, schema: { type: 'string' } }))
  return {
    tags: [surface],
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf('application/json', body) } }),
    responses: {
      '200': { description: 'Done.', ...answerOf(about) },
      default: { description: 'What went wrong.', content: contentOf('application/json', errorSchemas[surface]) },
    },
  }
}

function answerOf({ answer, streams }: RouteAbout): object {
  const content = {
    ...(answer === undefined ? {} : contentOf('application/json', answer)),
    ...(streams === undefined ? {} : { [streams]: { schema: { type: 'string' } } }),
  }
  return Object.keys(content).length === 0 ? {} : { content }
}

const contentOf = (type: string, schema: object): object => ({ [type]: { schema } })
