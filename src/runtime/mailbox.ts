/** A bounded ring of messages, and a lane for the runtime's own signals, which are never refused and go first. */

/** Room for bursts; an actor that is this far behind should refuse, not remember. */
export const defaultMailboxCapacity = 1024

export class Mailbox<T> {
  readonly capacity: number
  #ring: Array<T | undefined>
  #head = 0
  #size = 0
  readonly #signals: T[] = []
  #signalHead = 0

  /** The ring starts small and doubles up to `capacity`, so that idle actors cost little. */
  constructor(capacity: number) {
    this.capacity = Math.max(1, capacity)
    this.#ring = new Array(Math.min(2, this.capacity))
  }

  get size(): number {
    return this.#size + this.#signals.length - this.#signalHead
  }

  /** The message that has waited longest, signals aside. */
  get oldest(): T | undefined {
    return this.#ring[this.#head]
  }

  /** False when full: the caller decides whether that is a dead letter, a 503 or a retry. */
  offer(message: T): boolean {
    if (this.#size === this.capacity) return false
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#size) % this.#ring.length] = message
    this.#size++
    return true
  }

  /** Never refused. Bounded by its use: one signal per watch and one shutdown per incarnation. */
  signal(message: T): void {
    this.#signals.push(message)
  }

  /** The incarnation that the signals were meant for has ended. */
  dropSignals(): void {
    this.#signals.length = 0
    this.#signalHead = 0
  }

  take(): T | undefined {
    if (this.#signalHead < this.#signals.length) return this.#takeSignal()
    if (this.#size === 0) return undefined
    const message = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) % this.#ring.length
    this.#size--
    return message
  }

  #takeSignal(): T | undefined {
    const message = this.#signals[this.#signalHead++]
    if (this.#signalHead === this.#signals.length) this.dropSignals()
    return message
  }

  #grow(): void {
    const larger: Array<T | undefined> = new Array(Math.min(this.capacity, this.#ring.length * 2))
    for (let i = 0; i < this.#size; i++) larger[i] = this.#ring[(this.#head + i) % this.#ring.length]
    this.#ring = larger
    this.#head = 0
  }
}
