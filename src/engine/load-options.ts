/** Options that are fixed when a model is loaded: what a request asks for, and whether a loaded engine will do. */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { EngineSettings } from './driver.ts'

/** By Ollama's names. What is absent is the node's own choice. */
interface LoadOptions {
  readonly num_ctx?: number
  readonly num_batch?: number
  readonly num_gpu?: number
  readonly num_thread?: number
  readonly use_mmap?: boolean
}

type Options = Readonly<Record<string, unknown>>
/** A model as far as it says how it is to be loaded. */
type Loadable = Pick<ModelFile, 'parameters' | 'sees' | 'trainedTokens'>

/** What llama.cpp needs at the least. */
const leastContextTokens = 4
/** What a model that looks at images is given at the least, as Ollama does: an image alone takes hundreds. */
const leastSeeingTokens = 2048
/** What stands for a driver's own choice, where the one who chose otherwise must be told so: Ollama's defaults. */
const usual = { num_batch: 512, use_mmap: true } as const

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
function loadOptionsOf(parameters: Options, options: Options): LoadOptions {
  const chosen: Record<string, unknown> = {}
  for (const [name, says] of Object.entries(meaningful)) {
    const value = says(options[name]) ? options[name] : parameters[name]
    if (says(value)) chosen[name] = typeof value === 'number' ? Math.trunc(value) : value
  }
  return chosen as LoadOptions
}

/** How a model is to be loaded for a request with these options, on a node with these settings. */
export function settingsFor(node: EngineSettings, model: Loadable, options: Options): EngineSettings {
  const { parameters, sees, trainedTokens = Number.POSITIVE_INFINITY } = model
  const { num_ctx = node.contextTokens, num_batch, num_gpu, num_thread, use_mmap } = loadOptionsOf(parameters, options)
  const least = sees === true ? leastSeeingTokens : leastContextTokens
  return {
    ...node,
    contextTokens: Math.min(Math.max(least, num_ctx), trainedTokens),
    ...(num_batch === undefined ? {} : { batchTokens: num_batch }),
    ...(num_gpu === undefined ? {} : { gpuLayers: num_gpu }),
    ...(num_thread === undefined ? {} : { threads: num_thread }),
    ...(use_mmap === undefined ? {} : { useMmap: use_mmap }),
  }
}

/**
 * Whether an engine is as it is wanted. It is not where another request had something else than the usual, also if this one
 * says nothing of it; only the number of layers on a GPU may be any where nobody says.
 */
export function suits(loaded: EngineSettings, wanted: EngineSettings): boolean {
  return (
    loaded.contextTokens === wanted.contextTokens &&
    loaded.threads === wanted.threads &&
    (loaded.batchTokens ?? usual.num_batch) === (wanted.batchTokens ?? usual.num_batch) &&
    (loaded.useMmap ?? usual.use_mmap) === (wanted.useMmap ?? usual.use_mmap) &&
    (wanted.gpuLayers === undefined || loaded.gpuLayers === wanted.gpuLayers)
  )
}

/** What has to be said to load as `wanted` what would be loaded as `unsaid`. */
export function optionsBetween(unsaid: EngineSettings, wanted: EngineSettings): Options {
  const { contextTokens, threads, batchTokens, useMmap, gpuLayers } = wanted
  return {
    ...(contextTokens === unsaid.contextTokens ? {} : { num_ctx: contextTokens }),
    ...(threads === unsaid.threads ? {} : { num_thread: threads }),
    ...(batchTokens === unsaid.batchTokens ? {} : { num_batch: batchTokens ?? usual.num_batch }),
    ...(useMmap === unsaid.useMmap ? {} : { use_mmap: useMmap ?? usual.use_mmap }),
    ...(gpuLayers === undefined || gpuLayers === unsaid.gpuLayers ? {} : { num_gpu: gpuLayers }),
  }
}
