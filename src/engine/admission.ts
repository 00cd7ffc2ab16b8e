/** Who is computed, who waits and who is turned away: the same rules for every driver. */
import type { WorkerLoad } from '../../protocols/infer.ts'
import type { Clock } from './clock.ts'

/** How often a waiting request hears its place, in ms: well under any watchdog for a stream without frames. */
const reportIntervalMs = 500

/** A request's place. `leave` may be called any number of times. */
export interface Ticket {
  isWaiting(): boolean
  leave(): void
}

interface Entry {
  waiting: boolean
  /** Its turn has come; called only for those that had to wait. */
  readonly begin: () => void
  /** How many are before it, of how many that wait. */
  readonly moved: (before: number, waiting: number) => void
}

export interface AdmissionInit {
  /** Requests computed at once. */
  readonly slots: number
  /** Requests that may wait. */
  readonly maxWaiting: number
  readonly clock: Clock
}

export class Admission {
  readonly #init: AdmissionInit
  readonly #active = new Set<Entry>()
  readonly #queue: Entry[] = []
  #timer: unknown

  constructor(init: AdmissionInit) {
    this.#init = init
  }

  load(): WorkerLoad {
    return { active: this.#active.size, waiting: this.#queue.length, slots: this.#init.slots }
  }

  /**
   * @param again it had a slot a moment ago and goes on with the same answer: it waits before all others, and is never
   * turned away
   * @returns undefined when every slot and every waiting place is taken
   */
  enter(begin: () => void, moved: (before: number, waiting: number) => void, again = false): Ticket | undefined {
    const entry: Entry = { waiting: this.#active.size >= this.#init.slots, begin, moved }
    if (entry.waiting) {
      if (!again && this.#queue.length >= this.#init.maxWaiting) return undefined
      if (again) this.#queue.unshift(entry)
      else this.#queue.push(entry)
      this.#scheduleReport()
    } else {
      this.#active.add(entry)
    }
    return {
      isWaiting: () => entry.waiting,
      leave: () => this.#leave(entry),
    }
  }

  /** Forgets everybody without calling them: the engine has ended. */
  clear(): void {
    this.#active.clear()
    this.#queue.length = 0
    this.#stopReport()
  }

  #leave(entry: Entry): void {
    const place = this.#queue.indexOf(entry)
    if (place >= 0) this.#queue.splice(place, 1)
    else if (!this.#active.delete(entry)) return
    while (this.#active.size < this.#init.slots) {
      const next = this.#queue.shift()
      if (next === undefined) break
      next.waiting = false
      this.#active.add(next)
      next.begin()
    }
    if (this.#queue.length === 0) this.#stopReport()
  }

  #scheduleReport(): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#init.clock.setTimeout(() => {
      this.#timer = undefined
      const waiting = this.#queue.length
      for (const [before, entry] of [...this.#queue].entries()) entry.moved(before, waiting)
      if (this.#queue.length > 0) this.#scheduleReport()
    }, reportIntervalMs)
  }

  #stopReport(): void {
    if (this.#timer === undefined) return
    this.#init.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
