/** One direction of a connection: what one end has sent and the other has not heard yet, in order, with its ends and faults. */

/** What a direction between two nodes does to everything on its way. */
export interface Fault {
  /** Nothing arrives; nothing is lost. */
  readonly held: boolean
  /** How long each piece is on its way. */
  readonly delayMs: number
}

/** Bytes on their way before the sender must wait: the buffers of a socket at both ends. */
const maxWaitingBytes = 256 * 1024

interface Piece {
  readonly dueMs: number
  readonly bytes: number
  readonly arrive: () => void
}

export interface LaneInit {
  readonly fault: () => Fault
  /** What waits fits the buffers again, after `send` answered false. */
  readonly onDrain: () => void
}

export class Lane {
  readonly #init: LaneInit
  #waiting: Piece[] = []
  #waitingBytes = 0
  #full = false
  #closed = false
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(init: LaneInit) {
    this.#init = init
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** `arrive` is called when the other end hears this piece. False: wait for `onDrain` before the next. */
  send(bytes: number, arrive: () => void): boolean {
    if (this.#closed) return true
    this.#waiting.push({ dueMs: performance.now() + this.#init.fault().delayMs, bytes, arrive })
    this.#waitingBytes += bytes
    this.#full = this.#waitingBytes >= maxWaitingBytes
    // Never within the sender's own turn: no network does that.
    this.#immediate ??= setImmediate(() => this.#run())
    return !this.#full
  }

  /** Lets arrive what may: also when a fault has ended. */
  wake(): void {
    this.#immediate ??= setImmediate(() => this.#run())
  }

  /** What is on its way is lost, and nothing more is taken. */
  close(): void {
    this.#closed = true
    this.#waiting = []
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
  }

  #run(): void {
    this.#immediate = undefined
    clearTimeout(this.#timer)
    if (this.#init.fault().held) return
    const nowMs = performance.now()
    const due = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs)
    const arrived = this.#waiting.splice(0, due === -1 ? this.#waiting.length : due)
    for (const { bytes, arrive } of arrived) {
      this.#waitingBytes -= bytes
      arrive()
    }
    if (this.#full && this.#waitingBytes < maxWaitingBytes) {
      this.#full = false
      this.#init.onDrain()
    }
    const [next] = this.#waiting
    if (next !== undefined && !this.#closed) this.#timer = setTimeout(() => this.#run(), next.dueMs - nowMs)
  }
}
