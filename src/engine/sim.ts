/** Deterministic tokens at a given speed, for tests, simulation and benchmarks. Loads anything; computes nothing. */
import type { ModelFile } from '../../actors/model-catalog.ts'
import { type Clock, realClock } from './clock.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine } from './driver.ts'
import { PromptedEngine } from './prompted-engine.ts'
import { SimCompleter } from './sim-completer.ts'
import type { SimFaults } from './sim-faults.ts'

export interface SimOptions {
  /** Tokens of one answer per second; 0 (the default): as fast as the consumer takes them. */
  readonly tokensPerSecond?: number
  /** Prompt tokens per second; 0 (the default): no time. */
  readonly prefillTokensPerSecond?: number
  /** How long a load takes; default 0 ms. */
  readonly loadMs?: number
  readonly faults?: SimFaults
  /** Default: real time. */
  readonly clock?: Clock
  /** Uniform in [0, 1); default: the process's own chance. */
  readonly random?: () => number
  /** What prompts call today. */
  readonly wallMs?: () => number
}

export class SimDriver implements Driver {
  readonly name = 'sim'
  readonly #options: SimOptions

  constructor(options: SimOptions = {}) {
    this.#options = options
  }

  async load(model: ModelFile, settings: EngineSettings, signal: AbortSignal): Promise<LoadedEngine> {
    const {
      tokensPerSecond = 0,
      prefillTokensPerSecond = 0,
      loadMs = 0,
      faults = {},
      clock = realClock,
      random = Math.random,
      wallMs = Date.now,
    } = this.#options
    if (loadMs > 0) await sleep(clock, loadMs, signal)
    if (signal.aborted) {
      throw new EngineError('load-failed', `loading ${model.name} was stopped before it was done; ask again to load it`)
    }
    if (faults.loadFails !== undefined) {
      throw new EngineError(faults.loadFails, `cannot load ${model.name}: this simulated engine was told to fail`)
    }
    const completer = new SimCompleter({
      model,
      settings,
      tokensPerSecond,
      prefillTokensPerSecond,
      faults,
      clock,
      random,
    })
    return new PromptedEngine({ completer, model, wallMs, random })
  }
}

/** Ends early, without a word, when the signal is aborted. */
async function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimeout(wake, delayMs)
    signal.addEventListener('abort', wake, { once: true })
    if (signal.aborted) wake()
  })
}
