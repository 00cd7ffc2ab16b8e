/** How OpenAI's requests say how to sample, and what Ollama's options make of it. */
import { Type } from 'typebox'
import { goTypeOf } from '../../../protocols/go-type.ts'
import { ApiError } from '../errors.ts'

export const samplingFields = {
  max_tokens: Type.Optional(Type.Integer()),
  temperature: Type.Optional(Type.Number()),
  top_p: Type.Optional(Type.Number()),
  seed: Type.Optional(Type.Integer()),
  stop: Type.Optional(Type.Unknown()),
  frequency_penalty: Type.Optional(Type.Number()),
  presence_penalty: Type.Optional(Type.Number()),
}

export interface SamplingFields {
  readonly max_tokens?: number
  readonly temperature?: number
  readonly top_p?: number
  readonly seed?: number
  readonly stop?: unknown
  readonly frequency_penalty?: number
  readonly presence_penalty?: number
}

/** A temperature and a `top_p` that are not given are OpenAI's, not the model's. Throws ApiError `bad-field`. */
export function samplingOptions(fields: SamplingFields): Record<string, unknown> {
  const { max_tokens, temperature = 1, top_p = 1, seed, frequency_penalty, presence_penalty } = fields
  const stop = stopsOf(fields.stop)
  return {
    temperature,
    top_p,
    ...(max_tokens === undefined ? {} : { num_predict: max_tokens }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(frequency_penalty === undefined ? {} : { frequency_penalty }),
    ...(presence_penalty === undefined ? {} : { presence_penalty }),
  }
}

/** As Ollama reads it: what is no text says nothing. */
function stopsOf(stop: unknown): readonly string[] | undefined {
  if (typeof stop === 'string') return [stop]
  return Array.isArray(stop) ? stop.filter((text) => typeof text === 'string') : undefined
}

/** Ollama is stricter where it completes a prompt than in a chat. Throws ApiError `bad-field`. */
export function checkStops(stop: unknown): void {
  const wrong = Array.isArray(stop) ? stop.findIndex((text) => typeof text !== 'string') : -1
  if (wrong < 0) return
  const type = goTypeOf((stop as readonly unknown[])[wrong])
  throw new ApiError('bad-field', `invalid type for 'stop' field: ${type}`)
}

const efforts: Readonly<Record<string, false | 'low' | 'medium' | 'high' | 'max'>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  max: 'max',
  xhigh: 'max',
  ultra: 'max',
}

/** How hard to think. Throws ApiError `bad-field`. */
export function thinkOfEffort(effort: string): false | 'low' | 'medium' | 'high' | 'max' {
  const think = efforts[effort.toLowerCase()]
  if (think !== undefined) return think
  throw new ApiError(
    'bad-field',
    `invalid reasoning value: '${effort.slice(0, 100)}' (must be "high", "medium", "low", "max", or "none")`,
  )
}
