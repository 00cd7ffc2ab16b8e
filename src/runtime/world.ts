/**
 * Every source of time, chance and scheduling. The kernel and the actors touch nothing else, so that a whole cluster
 * can run on a simulated world and be replayed by seed.
 */
import { randomFillSync } from 'node:crypto'

export type TimerId = unknown

export interface World {
  /** Milliseconds on a clock that never goes back; its zero means nothing. */
  monotonicMs(): number
  /** Milliseconds since 1970; may jump. For people and for files, never for timeouts. */
  wallMs(): number
  /** Uniform in [0, 1). */
  random(): number
  /** Unpredictable bytes, for ids and keys. */
  bytes(length: number): Uint8Array
  setTimeout(run: () => void, delayMs: number): TimerId
  clearTimeout(id: TimerId): void
  /** Runs `turn` soon, after pending input has had its chance. */
  wake(turn: () => void): void
  /** Which of `ready` waiting cells goes next. Real life: the oldest, 0. Simulation: a seeded pick. */
  pick(ready: number): number
}

/** The part of a world that adapters with timers need. */
export type Clock = Pick<World, 'monotonicMs' | 'setTimeout' | 'clearTimeout'>

/** Drawn ahead: asking the system for a few bytes costs as much as asking for a page of them. */
const pooledBytes = 4096
let pool = new Uint8Array()

/** Every byte of the pool is given out once. */
function unpredictable(length: number): Uint8Array {
  if (length > pooledBytes) return randomFillSync(new Uint8Array(length))
  if (pool.length < length) pool = randomFillSync(new Uint8Array(pooledBytes))
  const drawn = pool.slice(0, length)
  pool = pool.subarray(length)
  return drawn
}

export const realWorld: World = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  bytes: unpredictable,
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  wake: (turn) => {
    setImmediate(turn)
  },
  pick: () => 0,
}
