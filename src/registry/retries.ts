/** Tries again what may succeed later, a bounded number of times and ever more slowly. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing, RegistryError } from './errors.ts'

/** A registry may ask for more patience than a person has. */
const maxPauseMs = 60_000

export interface Patience {
  /** Tries in all. */
  readonly tries: number
  /** Before the second try; each pause after is twice as long. */
  readonly pauseMs: number
}

/** A blob's part, as Ollama tries it. */
export const partPatience: Patience = { tries: 6, pauseMs: 1_000 }

/** A person waits for the first answer, and should rather be told. */
export const firstPatience: Patience = { tries: 3, pauseMs: 500 }

/**
 * Runs `attempt` until it succeeds. It may call `progressed` when it came further than before: the tries then count anew.
 * Throws what is no passing failure at once, and `max retries exceeded: …` when there were too many.
 */
export async function retrying<T>(
  { tries, pauseMs }: Patience,
  signal: AbortSignal,
  attempt: (progressed: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0
  for (;;) {
    try {
      return await attempt(() => {
        failures = 0
      })
    } catch (error) {
      signal.throwIfAborted()
      if (!isPassing(error)) throw error
      failures += 1
      if (failures >= tries) throw exceeded(error as RegistryError)
      const { retryAfterMs = 0 } = error as RegistryError
      const waitMs = Math.min(maxPauseMs, Math.max(retryAfterMs, pauseMs * 2 ** (failures - 1)))
      // Never earlier than the registry asks for, and many nodes not all at once.
      await sleep(waitMs * (1 + Math.random() / 4), undefined, { signal })
    }
  }
}

function exceeded(error: RegistryError): RegistryError {
  const { code, status } = error
  return new RegistryError(code, `max retries exceeded: ${error.message}`, {
    cause: error,
    ...(status === undefined ? {} : { status }),
  })
}
