/** How long a load may take: as long as it shows progress. The same for every driver. */
import type { Clock } from './clock.ts'
import { EngineError, type LoadedEngine } from './driver.ts'

/** The longest that a timer can wait, in ms: a load that may stall for longer may do so for ever. */
const maxTimerMs = 2 ** 31 - 1

export interface LoadPatience {
  /** A load that shows no progress for this long has failed; Infinity: never. */
  readonly stallMs: number
  readonly clock: Clock
}

/**
 * What `load` brings into memory. Rejects as it does; and with an EngineError `load-failed` when it stalls, whatever it
 * makes of its signal then: an engine that comes after all is closed.
 * @param name the model's, for messages
 */
export async function loadInTime(
  name: string,
  load: (signal: AbortSignal, onProgress: () => void) => Promise<LoadedEngine>,
  signal: AbortSignal,
  { stallMs, clock }: LoadPatience,
): Promise<LoadedEngine> {
  const stall = Promise.withResolvers<never>()
  const controller = new AbortController()
  let timer: unknown
  const giveUp = (): void => {
    stall.reject(stalled(name, stallMs))
    controller.abort()
  }
  const progress = (): void => {
    clock.clearTimeout(timer)
    timer = stallMs > maxTimerMs ? undefined : clock.setTimeout(giveUp, stallMs)
  }
  progress()
  const loading = load(AbortSignal.any([signal, controller.signal]), progress)
  try {
    return await Promise.race([loading, stall.promise])
  } catch (error) {
    void loading.then(
      (late) => late.close(),
      () => {},
    )
    throw error
  } finally {
    // Whoever shows progress when it is over starts a timer that nobody waits for.
    stall.promise.catch(() => {})
    clock.clearTimeout(timer)
  }
}

/** It begins as Ollama's does: clients look for that. */
function stalled(name: string, stallMs: number): EngineError {
  return new EngineError(
    'load-failed',
    `timed out waiting for llama-server to start - ${name} showed no progress for ${stallMs / 1000} s (OLLAMA_LOAD_TIMEOUT)`,
  )
}
