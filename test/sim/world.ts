/**
 * A simulated `World`: virtual time, seeded chance and order. Nothing here is real, so one seed is one history.
 * The only real thing that a run waits for is the microtask queue, between two events.
 */
import { setImmediate as afterMicrotasks } from 'node:timers'
import type { World } from '../../src/runtime/world.ts'
import { type Draw, mulberry32 } from './chance.ts'
import { Heap } from './heap.ts'

/** What one turn of the event loop costs: actors that volley for ever use up time, so that timers come due. */
export const turnMs = 0.1

/** Events that are handed to the event loop at once. */
const batchSteps = 64

/** Any date will do; a fixed one replays. */
export const startedAtMs = Date.UTC(2025, 0, 1)

/** Events in one run: a loop that never rests is reported with its seed instead of hanging the test. */
const maxSteps = 2_000_000

export interface Timer {
  readonly atMs: number
  /** Among timers for the same moment, the first set goes first. */
  readonly rank: number
  readonly run: () => void
  cancelled: boolean
}

export class SimulatedWorld implements World {
  readonly seed: number
  /** Events that have run so far. */
  steps = 0
  readonly #timers = new Heap<Timer>((a, b) => a.atMs - b.atMs || a.rank - b.rank)
  /** Chance and order draw apart, so that one more draw of the one does not shift the other. */
  readonly #chance: Draw
  readonly #order: Draw
  #nowMs = 0
  #rank = 0

  constructor(seed: number) {
    this.seed = seed
    this.#chance = mulberry32(seed)
    this.#order = mulberry32(seed ^ 0x5eed)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return startedAtMs + this.#nowMs
  }

  random(): number {
    return this.#chance()
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.#chance() * 256))
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), rank: this.#rank++, run, cancelled: false }
    this.#timers.push(timer)
    return timer
  }

  clearTimeout(id: unknown): void {
    if (id !== undefined) (id as Timer).cancelled = true
  }

  wake(turn: () => void): void {
    this.setTimeout(turn, turnMs)
  }

  pick(ready: number): number {
    return Math.floor(this.#order() * ready)
  }

  /**
   * Lets `forMs` of virtual time pass. After each event every promise that can resolve has resolved, however deeply
   * they await each other: one `setImmediate` follows another only when the microtask queue is empty, which no number
   * of `await Promise.resolve()` can promise.
   */
  run(forMs: number): Promise<void> {
    const endMs = this.#nowMs + forMs
    const maxStep = this.steps + maxSteps
    return new Promise((resolve, reject) => {
      let over = false
      const end = (settle: () => void): void => {
        over = true
        settle()
      }
      const step = (): void => {
        if (over) return
        const timer = this.#next(endMs)
        if (timer === undefined) {
          this.#nowMs = endMs
          end(resolve)
          return
        }
        this.#nowMs = timer.atMs
        if (++this.steps > maxStep) {
          end(() => reject(new Error(`seed ${this.seed}: ${maxSteps} events and still not at rest`)))
          return
        }
        try {
          timer.run()
        } catch (error) {
          end(() => reject(error))
        }
      }
      // A turn of the real event loop costs more than most events do: each takes a batch of them.
      const batch = (): void => {
        if (over) return
        for (let i = 0; i < batchSteps; i++) afterMicrotasks(step)
        afterMicrotasks(batch)
      }
      batch()
    })
  }

  #next(endMs: number): Timer | undefined {
    for (let first = this.#timers.peek(); first !== undefined && first.atMs <= endMs; first = this.#timers.peek()) {
      this.#timers.pop()
      if (!first.cancelled) return first
    }
    return undefined
  }
}
