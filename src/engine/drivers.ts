/** The drivers by name, and what they need to know about the host. */
import os from 'node:os'
import type { Driver } from './driver.ts'
import { LlamaDriver, type LlamaDriverOptions } from './llama/driver.ts'
import { LlamaServerDriver } from './llama-server/driver.ts'
import { OllamaDriver, ollamaAt } from './ollama/driver.ts'
import { OpenaiDriver, openaiAt } from './openai/driver.ts'
import { SimDriver, type SimOptions } from './sim.ts'

export interface DriverOptions {
  readonly llama?: LlamaDriverOptions
  readonly sim?: SimOptions
  /** What the `openai` engine's server wants to be told by who asks; '': nothing. */
  readonly openaiKey?: string
}

/** An engine as it is chosen: by name, and by address where it runs elsewhere. */
export type EngineChoice =
  | { readonly name: 'llama' | 'sim' }
  | { readonly name: 'ollama' | 'openai'; readonly url: string }
  | { readonly name: 'llama-server'; readonly command: string }

export function createDriver(choice: EngineChoice, options: DriverOptions = {}): Driver {
  switch (choice.name) {
    case 'sim':
      return new SimDriver(options.sim)
    case 'llama':
      return new LlamaDriver(options.llama)
    case 'llama-server':
      return new LlamaServerDriver({ ...options.llama, command: choice.command })
    case 'ollama':
      return new OllamaDriver(ollamaAt(choice.url))
    case 'openai':
      return new OpenaiDriver(openaiAt(choice.url, options.openaiKey ?? ''))
  }
}

/**
 * Compute threads for this host: one core stays with Node. Threads spin while they wait for each other, so that one too
 * many costs far more than one too few.
 */
export function defaultThreads(): number {
  return Math.max(1, os.availableParallelism() - 1)
}
