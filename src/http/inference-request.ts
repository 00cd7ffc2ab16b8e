/** What `generate`, `chat` and the embedding routes have in common in their requests. */
import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import type { Format, Think } from '../../protocols/chat.ts'
import { DurationError, parseKeepAlive } from '../../protocols/duration.ts'
import { maxOptions } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'
import { deeperThan, shown } from './fields.ts'
import type { AskedModel } from './model-check.ts'
import type { NewRequest, RequestWishes } from './services.ts'

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
  readonly truncate?: boolean
  readonly shift?: boolean
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

/** What a request says of how it is to be computed, the same for `generate` and `chat`. */
export function requestWishes(fields: AnswerFields): RequestWishes {
  const { truncate, shift, logprobs, top_logprobs = 0, _debug_render_only } = fields
  return {
    ...(truncate === undefined ? {} : { truncate }),
    ...(shift === undefined ? {} : { shift }),
    ...(logprobs === true ? { logprobs: top_logprobs } : {}),
    ...(_debug_render_only === true ? { renderOnly: true } : {}),
  }
}

/** What it says of the answer; a format that is none is left out. Throws ApiError `bad-field`. */
export function answerWishes({ format, think }: AnswerFields): { readonly format?: Format; readonly think?: Think } {
  return {
    ...(isFormat(format) ? { format } : {}),
    ...(think === undefined ? {} : { think: thinkOf(think) }),
  }
}

/**
 * What Ollama's decoder refuses, before anything else of a request is looked at and whatever the request is for.
 * Throws ApiError `bad-field`.
 */
export function checkDecoded({ think, keep_alive }: { readonly think?: unknown; readonly keep_alive?: unknown }): void {
  keepAliveOf(keep_alive)
  if (think !== undefined) thinkOf(think)
}

/**
 * The error of a format that is none. In Ollama it is the runner that refuses it, after everything else that may be
 * wrong: to loading and rendering it is nothing. Its words quote the JSON text once more.
 */
export function formatError({ format, _debug_render_only }: AnswerFields): ApiError | undefined {
  if (format === undefined || format === '' || isFormat(format) || _debug_render_only === true) return undefined
  const words = `invalid format: ${shown(shown(format))}; expected "json" or a valid JSON Schema object`
  return new ApiError('invalid-format', words)
}

function isFormat(format: unknown): format is Format {
  return format === 'json' || (typeof format === 'object' && format !== null && !Array.isArray(format))
}

const thinkLevels: readonly unknown[] = ['low', 'medium', 'high', 'max']

function thinkOf(think: unknown): Think {
  if (typeof think === 'boolean' || thinkLevels.includes(think)) return think as Think
  throw new ApiError(
    'bad-field',
    `invalid think value: ${shown(think)} (must be "high", "medium", "low", "max", true, or false)`,
  )
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
  throw new ApiError('bad-field', `${name} must be a whole number from ${lowest} to ${highest}, not ${shown(text)}`)
}
