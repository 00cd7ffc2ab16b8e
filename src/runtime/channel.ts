/**
 * A bounded pipe between one producer that can be slowed and one consumer that takes what is there.
 * Data paths use it (tokens from an engine or a peer to a response); mailboxes are for decisions, not for bytes.
 */
export interface ChannelInit {
  /** Items waiting before `push` answers false and the producer should stop until `onDrain`. */
  readonly highWater: number
  /** Called once when the consumer has taken everything after a `push` that answered false. */
  readonly onDrain?: () => void
  /** Called once when the consumer leaves before the end. */
  readonly onCancel?: () => void
}

export class Channel<T> implements AsyncIterable<readonly T[]> {
  readonly #init: ChannelInit
  #items: T[] = []
  #ended = false
  #cancelled = false
  #full = false
  #wake: (() => void) | undefined

  constructor(init: ChannelInit) {
    this.#init = init
  }

  get waiting(): number {
    return this.#items.length
  }

  /** Whether the producer may stop working: it said so itself, or nobody takes the items any more. */
  get closed(): boolean {
    return this.#ended || this.#cancelled
  }

  /** Adds one item. False: taken, but do not send more until `onDrain`. After the end or a cancel, items are dropped. */
  push(item: T): boolean {
    if (this.closed) return false
    this.#items.push(item)
    this.#wakeUp()
    if (this.#items.length < this.#init.highWater) return true
    this.#full = true
    return false
  }

  /** No more items. What waits is still delivered. */
  end(): void {
    this.#ended = true
    this.#wakeUp()
  }

  /** Once per wait: resolving a promise again costs far more than an item. */
  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly T[]> {
    return {
      next: async () => {
        while (this.#items.length === 0 && !this.closed) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
        if (this.#items.length === 0 || this.#cancelled) return { done: true, value: undefined }
        const batch = this.#items
        this.#items = []
        if (this.#full) {
          this.#full = false
          this.#init.onDrain?.()
        }
        return { done: false, value: batch }
      },
      return: async () => {
        this.cancel()
        return { done: true, value: undefined }
      },
    }
  }

  /** The consumer leaves: nothing more is delivered and the producer is told, once. */
  cancel(): void {
    if (this.closed && this.#items.length === 0) {
      this.#cancelled = true
      return
    }
    const first = !this.#cancelled && !this.#ended
    this.#cancelled = true
    this.#items = []
    this.#wakeUp()
    if (first) this.#init.onCancel?.()
  }
}
