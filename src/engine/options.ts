/**
 * Ollama's option names to sampling values: defaults, then the model's own parameters, then the request's.
 * Unknown names are ignored, null means "not given"; a wrong type is an error in Ollama's words.
 */
import type { SamplingOptions } from '../../protocols/infer.ts'

/** Ollama's defaults. `num_predict` -1, as 0 and all below: until the model ends, at most ten contexts. `seed` -1: a new one each time. */
const samplingDefaults: SamplingOptions = {
  num_keep: 4,
  num_predict: -1,
  temperature: 0.8,
  top_k: 40,
  top_p: 0.9,
  min_p: 0,
  typical_p: 1,
  seed: -1,
  stop: [],
  repeat_penalty: 1,
  repeat_last_n: 64,
  presence_penalty: 0,
  frequency_penalty: 0,
}

export type OptionType = 'integer' | 'float32' | 'boolean' | 'strings'

/** Every name that Ollama type-checks, those included that are fixed when the model is loaded. */
export const optionTypes: Readonly<Record<string, OptionType>> = {
  num_ctx: 'integer',
  num_batch: 'integer',
  num_gpu: 'integer',
  main_gpu: 'integer',
  num_thread: 'integer',
  draft_num_predict: 'integer',
  use_mmap: 'boolean',
  num_keep: 'integer',
  seed: 'integer',
  num_predict: 'integer',
  top_k: 'integer',
  top_p: 'float32',
  min_p: 'float32',
  typical_p: 'float32',
  repeat_last_n: 'integer',
  temperature: 'float32',
  repeat_penalty: 'float32',
  presence_penalty: 'float32',
  frequency_penalty: 'float32',
  stop: 'strings',
}

/** Thrown when an option has the wrong type; the message is Ollama's. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
  readonly option: string

  constructor(option: string, expected: string) {
    super(`option "${option}" must be of ${expected}`)
    this.option = option
  }
}

function checkedValue(name: string, type: OptionType, value: unknown): unknown {
  switch (type) {
    case 'integer':
      if (typeof value !== 'number' || !Number.isFinite(value)) throw new OptionError(name, 'type integer')
      return Math.trunc(value)
    case 'float32':
      if (typeof value !== 'number' || !Number.isFinite(value)) throw new OptionError(name, 'type float32')
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw new OptionError(name, 'type boolean')
      return value
    case 'strings':
      if (!Array.isArray(value)) throw new OptionError(name, 'type array')
      if (!value.every((item) => typeof item === 'string')) throw new OptionError(name, 'an array of strings')
      return value
  }
}

/** What options say of sampling. Throws an OptionError, also for a wrong type of what is fixed when a model is loaded. */
export function checkedOptions(options: Readonly<Record<string, unknown>>): Partial<SamplingOptions> {
  const known: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const type = Object.hasOwn(optionTypes, name) ? optionTypes[name] : undefined
    if (type === undefined || value === null || value === undefined) continue
    const checked = checkedValue(name, type, value)
    if (Object.hasOwn(samplingDefaults, name)) known[name] = checked
  }
  return known
}

/**
 * @param parameters the model's params layer
 * @param options the request's own
 * @throws OptionError with Ollama's text on a wrong type
 */
export function resolveOptions(
  parameters: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
): SamplingOptions {
  return { ...samplingDefaults, ...checkedOptions(parameters), ...checkedOptions(options) }
}
