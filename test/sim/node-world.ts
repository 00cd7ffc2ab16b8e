/**
 * One process's view of the simulated world: its own chance, its own wall clock, and what can happen to a process as a
 * whole. It can be paused (SIGSTOP), slow, and dead; the shared world goes on meanwhile.
 */
import type { World } from '../../src/runtime/world.ts'
import { type Draw, forked } from './chance.ts'
import { type SimulatedWorld, startedAtMs, type Timer, turnMs } from './world.ts'

/** Messages that the kernel keeps for a process that does not read; the rest waits with the sender. */
const maxIncoming = 256

interface Due {
  readonly timer: Timer | undefined
  readonly run: () => void
}

export class NodeWorld implements World {
  readonly shared: SimulatedWorld
  /** What the host's clock is off by; a jump changes it. */
  wallOffsetMs = 0
  /** Called when a message can be taken again. */
  onReadable: () => void = () => {}
  readonly #chance: Draw
  readonly #order: Draw
  /** The monotonic clocks of two hosts have nothing to do with each other. */
  readonly #zeroMs: number
  readonly #timers: Due[] = []
  readonly #incoming: Due[] = []
  #dead = false
  #paused = false
  /** What each event costs while the process is slow; 0: nothing but a turn. */
  #costMs = 0
  #busyUntilMs = 0
  #drain: Timer | undefined

  constructor(shared: SimulatedWorld, name: string) {
    this.shared = shared
    this.#chance = forked(shared.seed, `${name} chance`)
    this.#order = forked(shared.seed, `${name} order`)
    this.#zeroMs = 1000 + Math.floor(this.#chance() * 1e6)
  }

  monotonicMs(): number {
    return this.#zeroMs + this.shared.monotonicMs()
  }

  wallMs(): number {
    return startedAtMs + this.wallOffsetMs + this.shared.monotonicMs()
  }

  random(): number {
    return this.#chance()
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = Math.floor(this.#chance() * 256)
    return bytes
  }

  pick(ready: number): number {
    return ready === 1 ? 0 : Math.floor(this.#order() * ready)
  }

  /** Nothing that a dead process set off happens, late promises included. */
  setTimeout(run: () => void, delayMs: number): Timer | undefined {
    if (this.#dead) return undefined
    const timer: Timer = this.shared.setTimeout(() => {
      if (!this.#mustWait) this.#run(run)
      else {
        this.#timers.push({ timer, run })
        this.#drainSoon()
      }
    }, delayMs)
    return timer
  }

  clearTimeout(id: unknown): void {
    this.shared.clearTimeout(id)
  }

  wake(turn: () => void): void {
    this.setTimeout(turn, turnMs)
  }

  /** Something from outside reaches the process, now or when it reads again. */
  deliver(run: () => void): void {
    if (this.#dead) return
    if (!this.#mustWait) {
      this.#run(run)
      return
    }
    this.#incoming.push({ timer: undefined, run })
    this.#drainSoon()
  }

  /** The host has lost its power, or its cable: not even its kernel answers. */
  unplugged = false

  get canRead(): boolean {
    return this.#incoming.length < maxIncoming
  }

  get dead(): boolean {
    return this.#dead
  }

  get paused(): boolean {
    return this.#paused
  }

  kill(): void {
    this.#dead = true
    this.#timers.length = 0
    this.#incoming.length = 0
  }

  pause(): void {
    this.#paused = true
  }

  /** What came due and what arrived meanwhile follows at once, timers first, as libuv has it. */
  resume(): void {
    this.#paused = false
    this.#drainSoon()
  }

  slowDown(costMs: number): void {
    this.#costMs = costMs
  }

  get #mustWait(): boolean {
    return this.#paused || this.#drain !== undefined || this.shared.monotonicMs() < this.#busyUntilMs
  }

  #run(run: () => void): void {
    if (this.#dead) return
    if (this.#costMs > 0) this.#busyUntilMs = this.shared.monotonicMs() + this.#costMs
    run()
  }

  #drainSoon(): void {
    if (this.#drain !== undefined || this.#paused || this.#dead) return
    const inMs = Math.max(0, this.#busyUntilMs - this.shared.monotonicMs())
    this.#drain = this.shared.setTimeout(() => {
      this.#drain = undefined
      if (this.#paused || this.#dead) return
      const due = this.#timers.shift() ?? this.#incoming.shift()
      if (due?.timer?.cancelled !== true && due !== undefined) this.#run(due.run)
      if (this.#timers.length + this.#incoming.length > 0) this.#drainSoon()
      if (due?.timer === undefined && this.canRead) this.onReadable()
    }, inMs)
  }
}
