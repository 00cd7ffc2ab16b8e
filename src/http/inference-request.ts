/** What `generate`, `chat` and the embedding routes have in common in their requests. */
import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { DurationError, parseKeepAlive } from '../../protocols/duration.ts'
import { maxOptions } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'
import type { AskedModel } from './model-check.ts'
import type { ApiServices, NewRequest } from './services.ts'

/** Fields of every request that computes. */
export const computeFields = {
  model: Type.Optional(Type.String()),
  options: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  keep_alive: Type.Optional(Type.Unknown()),
}

/** Fields of `generate` and `chat`. */
export const answerFields = {
  ...computeFields,
  stream: Type.Optional(Type.Boolean()),
  format: Type.Optional(Type.Unknown()),
  think: Type.Optional(Type.Unknown()),
  truncate: Type.Optional(Type.Boolean()),
  shift: Type.Optional(Type.Boolean()),
  logprobs: Type.Optional(Type.Boolean()),
  top_logprobs: Type.Optional(Type.Integer()),
  _debug_render_only: Type.Optional(Type.Boolean()),
}

/** Options are flat but for lists; deeper nesting would only be refused by the frame that carries them. */
const maxOptionDepth = 8

const priorityHeader = { name: 'x-omx-priority', lowest: -10, highest: 10 }
/** The longest deadline is a day: nothing should wait longer for an answer. */
const deadlineHeader = { name: 'x-omx-deadline-ms', lowest: 1, highest: 24 * 3600 * 1000 }

type Shared = Omit<NewRequest, 'work'>

/** The part of a `NewRequest` that is the same everywhere. Throws ApiError `bad-field`. */
export function sharedRequest(
  fields: { readonly options?: Record<string, unknown>; readonly keep_alive?: unknown },
  model: AskedModel,
  headers: IncomingHttpHeaders,
): Shared {
  const keepAliveMs = keepAliveOf(fields.keep_alive)
  const deadlineMs = integerHeader(headers, deadlineHeader)
  const options = fields.options ?? {}
  if (Object.keys(options).length > maxOptions) {
    throw new ApiError('bad-field', `options must not have more than ${maxOptions} names`)
  }
  if (deeperThan(options, maxOptionDepth)) {
    throw new ApiError('bad-field', `options must not nest deeper than ${maxOptionDepth} levels`)
  }
  return {
    model: model.name,
    options,
    priority: integerHeader(headers, priorityHeader) ?? 0,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  }
}

function keepAliveOf(value: unknown): number | undefined {
  if (value === undefined) return undefined
  try {
    return parseKeepAlive(value)
  } catch (error) {
    throw error instanceof DurationError ? new ApiError('bad-field', error.message, { cause: error }) : error
  }
}

export interface AnswerFields {
  readonly format?: unknown
  readonly think?: unknown
  readonly logprobs?: boolean
  readonly top_logprobs?: number
  readonly _debug_render_only?: boolean
}

/** Checked before the model is looked up, as Ollama does. */
export function checkTopLogprobs(count: number | undefined): void {
  if (count !== undefined && (count < 0 || count > 20)) {
    throw new ApiError('bad-field', 'top_logprobs must be between 0 and 20')
  }
}

/** Why this version cannot answer a request as it was meant, if so: refused, because ignoring it would answer another. */
export function unsupportedAnswer(fields: AnswerFields, model: AskedModel): ApiError | undefined {
  const { format, think } = fields
  if (format !== undefined && format !== '') {
    const valid = format === 'json' || (typeof format === 'object' && !Array.isArray(format))
    return valid ? notAvailable('structured output ("format")') : invalidFormat(format)
  }
  if (think !== undefined && think !== false) return refusedThink(think, model)
  if (fields.logprobs === true) return notAvailable('"logprobs"')
  if (fields._debug_render_only === true) return notAvailable('"_debug_render_only"')
  return undefined
}

/** Throws the refusal, unless nobody holds the model: that is what a client should hear first. */
export async function refuse(error: ApiError | undefined, model: AskedModel, services: ApiServices): Promise<void> {
  if (error === undefined) return
  if ((await services.show(model.name, false)) === undefined) throw new ApiError('model-not-found', model.sent)
  throw error
}

/** A field that Ollama knows and this version does not. These are not Ollama's words: it has none for them. */
export function notAvailable(what: string): ApiError {
  return new ApiError('not-supported', `${what} is not available in this version of OllamaMax: leave it out`)
}

/** The words that clients look for. */
export function lacksCapability(model: AskedModel, capability: 'insert' | 'tools' | 'vision'): ApiError {
  return new ApiError('not-supported', `${model.full} does not support ${capability}`)
}

const thinkLevels: readonly unknown[] = ['low', 'medium', 'high', 'max']

function refusedThink(think: unknown, model: AskedModel): ApiError {
  if (think === true || thinkLevels.includes(think)) {
    return new ApiError('not-supported', `"${model.sent}" does not support thinking`)
  }
  const shown = JSON.stringify(think).slice(0, maxShownLength)
  return new ApiError(
    'bad-field',
    `invalid think value: ${shown} (must be "high", "medium", "low", "max", true, or false)`,
  )
}

/** Enough of a wrong value to recognise it. */
const maxShownLength = 100

function invalidFormat(format: unknown): ApiError {
  const shown = JSON.stringify(format).slice(0, maxShownLength)
  return new ApiError('invalid-format', `invalid format: ${shown}; expected "json" or a valid JSON Schema object`)
}

interface HeaderRange {
  readonly name: string
  readonly lowest: number
  readonly highest: number
}

function integerHeader(headers: IncomingHttpHeaders, { name, lowest, highest }: HeaderRange): number | undefined {
  const text = headers[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (typeof text === 'string' && /^-?\d{1,15}$/.test(text) && value >= lowest && value <= highest) return value
  throw new ApiError(
    'bad-field',
    `${name} must be a whole number from ${lowest} to ${highest}, not ${JSON.stringify(text)}`,
  )
}

/** Whether a value nests deeper than `levels`. Recursion ends there, whatever the value is. */
function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => deeperThan(inner, levels - 1))
}
