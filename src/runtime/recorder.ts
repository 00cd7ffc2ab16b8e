/**
 * Keeps what happened lately for whoever pulls: facts in a ring, and the dead for a while. The first reading attaches it;
 * some time after the last one it detaches itself. It outlives the actor that reads, whose own end is worth recording.
 */
import { type Exit, exitText } from '../../protocols/exit.ts'
import type { Ref } from '../../protocols/ref.ts'
import { pathOf } from '../../protocols/ref.ts'
import type { FactOf } from './facts.ts'
import type { Kernel } from './kernel.ts'
import { type Sampled, sampler } from './sampler.ts'

/** Without a reading for this long, nothing is recorded any more. Several refreshes of a screen. */
const idleMs = 15_000
/** Facts that are kept: ten seconds of a hundred requests a second. */
const maxFacts = 2048
/** How long the dead are shown, */
const graceMs = 60_000
/** and how many: the latest. */
const maxDead = 256
/** A handler that held all others up for so long is worth telling. */
const slowMs = 100
/** Of each kind of dead letter and rejection, one fact per this span. */
const sampleMs = 1000

/** Something that happened, as a reader is told. */
export interface RecordedFact {
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly kind: 'started' | 'exited' | 'slow' | 'deadLetter' | 'rejected' | 'escalated'
  /** The actor's path, or the ref of another node's; of a rejection, the peer. */
  readonly subject: string
  /** In words: how it ended, what was not delivered and why, what was wrong with it. */
  readonly detail: string
  /** How often it happened since it was last told. */
  readonly count: number
}

/** What is newer than a reader's cursor. */
export interface RecentFacts {
  readonly facts: readonly RecordedFact[]
  /** The cursor for the next pull. */
  readonly cursor: number
  /** Facts that came after the reader's cursor and are no longer kept; at least one where nobody looked meanwhile. */
  readonly missed: number
}

/** An actor whose address is gone. */
export interface DeadActor {
  readonly path: string
  readonly epoch: number
  readonly restarts: number
  readonly handled: number
  readonly exit: string
  readonly agoMs: number
}

type Death = Omit<DeadActor, 'agoMs'> & { readonly diedMs: number }

export class Recorder {
  readonly #kernel: Kernel
  #facts: RecordedFact[] = []
  /** Of the last fact. Begins above every cursor of an earlier life of this node. */
  #sequence: number
  readonly #first: number
  readonly #dead = new Map<Ref, Death>()
  #detach: (() => void) | undefined
  /** Monotonic time of the last reading. */
  #readMs = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#sequence = kernel.nextId()
    this.#first = this.#sequence
  }

  get attached(): boolean {
    return this.#detach !== undefined
  }

  /** Somebody looks: from now on facts are kept, handlers timed and arrivals noted. */
  #attach(): void {
    this.#readMs = this.#kernel.world.monotonicMs()
    if (this.#detach !== undefined) return
    const leave = this.#observe()
    this.#detachWhenIdle(idleMs)
    this.#kernel.timed = true
    this.#detach = () => {
      for (const end of leave) end()
      this.#kernel.timed = false
    }
  }

  /** One timer for all readings, so that reading costs none. */
  #detachWhenIdle(afterMs: number): void {
    this.#kernel.world.setTimeout(() => {
      const leftMs = this.#readMs + idleMs - this.#kernel.world.monotonicMs()
      if (leftMs > 0) this.#detachWhenIdle(leftMs)
      else this.#end()
    }, afterMs)
  }

  /** Nobody looks any more: nothing is kept, and nothing is paid. */
  #end(): void {
    this.#detach?.()
    this.#detach = undefined
    this.#facts = []
    this.#dead.clear()
    // What happens from here on is missed by whoever comes back with a cursor.
    this.#sequence++
  }

  /** At most `limit` of the facts after `cursor`, the oldest first; without one, those that are kept. */
  since(cursor: number | undefined, limit: number): RecentFacts {
    this.#attach()
    const known = Math.max(cursor ?? 0, this.#first)
    const facts = this.#facts.filter(({ sequence }) => sequence > known).slice(0, limit)
    const oldest = facts[0]?.sequence ?? this.#sequence + 1
    const missed = cursor === undefined ? 0 : Math.max(0, oldest - known - 1)
    return { facts, cursor: facts.at(-1)?.sequence ?? this.#sequence, missed }
  }

  /** The dead of the grace window, the latest last. */
  dead(): DeadActor[] {
    this.#attach()
    const nowMs = this.#kernel.world.monotonicMs()
    for (const [ref, { diedMs }] of this.#dead) if (nowMs - diedMs > graceMs) this.#dead.delete(ref)
    return [...this.#dead]
      .filter(([ref]) => !this.#kernel.cells.has(ref))
      .map(([, { diedMs, ...death }]) => ({ ...death, agoMs: nowMs - diedMs }))
  }

  #observe(): (() => void)[] {
    const { facts, world } = this.#kernel
    const sampled = sampler(sampleMs, () => world.monotonicMs())
    return [
      facts.observe(['started'], ({ ref, restarts }) => {
        this.#note('started', pathOf(ref), restarts === 0 ? '' : `restart ${restarts}`)
      }),
      facts.observe(['exited'], ({ ref, exit }) => {
        this.#note('exited', pathOf(ref), exitText(exit))
        this.#mourn(ref, exit)
      }),
      facts.observe(['handled'], ({ ref, message, tookMs }) => {
        if (tookMs >= slowMs) this.#note('slow', pathOf(ref), `${message.type} took ${Math.round(tookMs)} ms`)
      }),
      facts.observe(['deadLetter'], (fact) => this.#noteDeadLetter(fact, sampled)),
      facts.observe(['rejected'], ({ from, failure }) => {
        sampled(`${from} ${failure.name}`, (count) => this.#note('rejected', from, failure.message, count))
      }),
      facts.observe(['escalated'], ({ ref, exit }) => this.#note('escalated', pathOf(ref), exitText(exit))),
    ]
  }

  #noteDeadLetter({ to, type, why }: FactOf<'deadLetter'>, sampled: Sampled): void {
    const subject = this.#kernel.isLocal(to) ? pathOf(to) : to
    sampled(`${type} ${why}`, (count) => this.#note('deadLetter', subject, `${type}: ${why}`, count))
  }

  #note(kind: RecordedFact['kind'], subject: string, detail: string, count = 1): void {
    if (this.#facts.length >= maxFacts) this.#facts = this.#facts.slice(maxFacts / 2)
    const atMs = this.#kernel.world.wallMs()
    this.#facts.push({ sequence: ++this.#sequence, atMs, kind, subject, detail, count })
  }

  #mourn(ref: Ref, exit: Exit): void {
    const cell = this.#kernel.cells.get(ref)
    if (cell === undefined) return
    this.#dead.delete(ref)
    const { epoch, restarts, handled } = cell
    const diedMs = this.#kernel.world.monotonicMs()
    this.#dead.set(ref, { path: pathOf(ref), epoch, restarts, handled, exit: exitText(exit), diedMs })
    if (this.#dead.size <= maxDead) return
    for (const first of this.#dead.keys()) return void this.#dead.delete(first)
  }
}
