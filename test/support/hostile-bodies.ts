/** Bodies that nobody should send, made from what a server itself says that its routes read. */
import { Check } from 'typebox/value'

export type Surface = 'ollama' | 'openai' | 'anthropic'

/** The parts of a schema that say where its fields are. */
interface Level {
  readonly properties?: Readonly<Record<string, Level>>
  readonly items?: Level
}

type Body = Readonly<Record<string, unknown>>

/** A route that reads JSON, and a body that it answers with 200 in no time. */
export interface JsonRoute {
  readonly path: string
  readonly surface: Surface
  readonly schema: object
  readonly good: Body
}

interface Document {
  readonly paths: Readonly<Record<string, { readonly post?: Operation }>>
}

interface Operation {
  readonly tags: readonly [Surface]
  readonly requestBody?: { readonly content: { readonly 'application/json'?: { readonly schema: object } } }
}

/** What each route is asked otherwise; a route of another's surface that is missing here is an error. */
function goodBodies(model: string): Readonly<Record<string, Body>> {
  const prompt = '⟦ok⟧'
  const messages = [{ role: 'user', content: prompt }]
  const native = { model, stream: false, options: { num_predict: 4 } }
  const message = { model, messages, max_tokens: 4 }
  return {
    '/api/generate': { ...native, prompt },
    '/api/chat': { ...native, messages },
    '/api/embed': { model, input: 'ok' },
    '/api/embeddings': { model, prompt },
    '/api/show': { model },
    '/api/copy': { source: model, destination: 'copied' },
    '/v1/chat/completions': message,
    '/v1/completions': { model, prompt, max_tokens: 4 },
    '/v1/embeddings': { model, input: 'ok' },
    '/v1/responses': { model, input: prompt, max_output_tokens: 4 },
    '/v1/messages': message,
    '/v1/messages/count_tokens': message,
  }
}

/** The routes of a server, from its own document. Throws for one of `/v1` that nobody has thought of. */
export async function jsonRoutes(url: string, model: string): Promise<readonly JsonRoute[]> {
  const { paths } = (await (await fetch(`${url}/omx/v1/openapi.json`)).json()) as Document
  const bodies = goodBodies(model)
  return Object.entries(paths).flatMap(([path, { post }]) => {
    const schema = post?.requestBody?.content['application/json']?.schema
    const good = bodies[path]
    if (post === undefined || schema === undefined) return []
    if (good === undefined && path.startsWith('/v1/')) throw new Error(`${path} needs a good body`)
    return good === undefined ? [] : [{ path, surface: post.tags[0], schema, good }]
  })
}

/** Where a field stands: names of fields, and 0 for the first of a list. */
type Place = readonly (string | 0)[]

function placesOf({ properties = {}, items }: Level, at: Place = []): Place[] {
  const here = at.length === 0 ? [] : [at]
  const fields = Object.entries(properties).flatMap(([name, level]) => placesOf(level, [...at, name]))
  return [...here, ...fields, ...(items === undefined ? [] : placesOf(items, [...at, 0]))]
}

function withValue(value: unknown, [step, ...rest]: Place, wrong: unknown): unknown {
  if (step === undefined) return wrong
  if (step === 0) {
    const [first, ...others] = Array.isArray(value) ? (value as unknown[]) : []
    return [withValue(first, rest, wrong), ...others]
  }
  const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : {}
  return { ...object, [step]: withValue(object[step], rest, wrong) }
}

const wrongValues: readonly unknown[] = [
  5,
  1.5,
  -1,
  1e308,
  'text',
  '',
  true,
  [],
  {},
  [{}],
  [[]],
  [null],
  [5],
  { toString: 1 },
  '%'.repeat(70_000),
]

export interface WrongBody {
  readonly what: string
  readonly text: string
  /** Whether the route's own schema takes it: it may then still mean nothing. */
  readonly fits: boolean
}

/** A value of every kind at every place. */
export function wrongBodies({ schema, good }: JsonRoute): readonly WrongBody[] {
  return placesOf(schema).flatMap((place) =>
    wrongValues.map((value) => {
      const body = withValue(good, place, value)
      const what = `${JSON.stringify(value).slice(0, 40)} as ${place.join('.')}`
      const isNothing = Array.isArray(value) && value[0] === null
      // In a list of objects nothing is one without fields.
      const fits = Check(schema, isNothing ? withValue(good, place, [{}]) : body)
      return { what, text: JSON.stringify(body), fits }
    }),
  )
}

/** More levels than a recursion takes. */
const levels = 20_000
const mark = 'so deep'
const deepValues = ['['.repeat(levels) + ']'.repeat(levels), `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`]

/** Lists and objects that nest without end, at every place. */
export function deepBodies({ schema, good }: JsonRoute): readonly WrongBody[] {
  return placesOf(schema).flatMap((place) =>
    deepValues.map((deep) => {
      const text = JSON.stringify(withValue(good, place, mark)).replace(`"${mark}"`, deep)
      return { what: `${deep.slice(0, 1)} without end as ${place.join('.')}`, text, fits: false }
    }),
  )
}

/** Names that would leave the models folder, or that no file should have. */
export const hostileNames = [
  '../../../etc/passwd',
  '..',
  'a/../../b',
  '/etc/passwd',
  'a\\..\\b',
  'x:../../y',
  'C:\\x',
  '~/x',
  'a\u0000',
  '%2e%2e/x',
]

/** What is wrong with a refusal: its body must be in the envelope of its surface and nothing else. */
export function notTheEnvelope(surface: Surface, text: string): string | undefined {
  let json: Record<string, unknown>
  try {
    json = JSON.parse(text) as Record<string, unknown>
  } catch {
    return `no JSON: ${text.slice(0, 200)}`
  }
  return envelopes[surface](json) ? undefined : `no error of ${surface}: ${text.slice(0, 200)}`
}

const keysOf = (value: unknown): string => Object.keys(value as object).join()
const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const envelopes: Readonly<Record<Surface, (json: Record<string, unknown>) => boolean>> = {
  ollama: (json) => keysOf(json) === 'error' && isText(json.error),
  openai: (json) => {
    const { message, type, param, code } = json.error as Record<string, unknown>
    const isWhole = keysOf(json) === 'error' && keysOf(json.error) === 'message,type,param,code'
    return isWhole && isText(message) && isText(type) && param === null && code === null
  },
  anthropic: (json) => {
    const { type, message } = json.error as Record<string, unknown>
    return keysOf(json) === 'type,error,request_id' && json.type === 'error' && isText(type) && isText(message)
  },
}
