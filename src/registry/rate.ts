/** How fast the downloads of a node together may take bytes. */
import type { Clock } from '../runtime/world.ts'

/** What was not taken for this long is not made up for later: timers are late, but a pause is no credit for a burst. */
const maxCreditMs = 100

export interface RateInit {
  /** 0: as fast as they come. */
  readonly bytesPerSecond: number
  readonly clock: Clock
}

export class Rate {
  readonly #bytesPerMs: number
  readonly #clock: Clock
  /** When all that was taken has had its time. */
  #paidMs: number

  constructor({ bytesPerSecond, clock }: RateInit) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#clock = clock
    this.#paidMs = clock.monotonicMs()
  }

  /** Call it with what has come; resolves when more may be taken. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerMs === 0) return
    const nowMs = this.#clock.monotonicMs()
    this.#paidMs = Math.max(this.#paidMs, nowMs - maxCreditMs) + bytes / this.#bytesPerMs
    if (this.#paidMs > nowMs) await this.#wait(this.#paidMs - nowMs, signal)
  }

  #wait(forMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#clock.clearTimeout(timer)
        reject(signal.reason)
      }
      const timer = this.#clock.setTimeout(() => {
        signal.removeEventListener('abort', leave)
        resolve()
      }, forMs)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
