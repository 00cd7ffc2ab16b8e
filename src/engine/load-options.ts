/** Options that are fixed when a model is loaded: what a request asks for, and whether a loaded engine will do. */
import type { EngineSettings } from './driver.ts'

/** By Ollama's names. What is absent is the node's own choice. */
export interface LoadOptions {
  readonly num_ctx?: number
  readonly num_batch?: number
  readonly num_gpu?: number
  readonly num_thread?: number
  readonly use_mmap?: boolean
}

/** What llama.cpp needs at the least. */
const leastContextTokens = 4

/** By the name of each option, whether a value of it says anything; Ollama reads 0, and less, as "choose yourself". */
const meaningful: Readonly<Record<keyof LoadOptions, (value: unknown) => boolean>> = {
  num_ctx: isPositive,
  num_batch: isPositive,
  num_gpu: (value) => typeof value === 'number' && value >= 0,
  num_thread: isPositive,
  use_mmap: (value) => typeof value === 'boolean',
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0
}

/** The model's own parameters, and the request's over them. Values of a wrong type are refused where they are used. */
export function loadOptionsOf(
  parameters: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
): LoadOptions {
  const chosen: Record<string, unknown> = {}
  for (const [name, says] of Object.entries(meaningful)) {
    const value = says(options[name]) ? options[name] : parameters[name]
    if (says(value)) chosen[name] = typeof value === 'number' ? Math.trunc(value) : value
  }
  return chosen as LoadOptions
}

/** The node's settings for a model that is loaded with these options. */
export function settingsWith(settings: EngineSettings, options: LoadOptions): EngineSettings {
  const { num_ctx, num_batch, num_gpu, num_thread, use_mmap } = options
  return {
    ...settings,
    ...(num_ctx === undefined ? {} : { contextTokens: Math.max(leastContextTokens, num_ctx) }),
    ...(num_batch === undefined ? {} : { batchTokens: num_batch }),
    ...(num_gpu === undefined ? {} : { gpuLayers: num_gpu }),
    ...(num_thread === undefined ? {} : { threads: num_thread }),
    ...(use_mmap === undefined ? {} : { useMmap: use_mmap }),
  }
}

/** Whether an engine that was loaded with `settings` is what these options ask for; what they leave open it may have. */
export function suits(settings: EngineSettings, options: LoadOptions): boolean {
  const wanted = settingsWith(settings, options)
  return Object.entries(wanted).every(([name, value]) => settings[name as keyof EngineSettings] === value)
}
