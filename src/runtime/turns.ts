/** Gives cells with messages their turns: fair among them, bounded in time, so that I/O is never starved. */
import type { Cell } from './cell.ts'
import { isLive } from './cell.ts'
import type { Kernel } from './kernel.ts'

/** Messages that one actor may handle before another gets its chance. */
const batchMessages = 64
/** Batches in one turn of the event loop, */
const turnBatches = 1024
/** and how long a turn may take: sockets and timers wait no longer than this. */
const turnMs = 4

export class Turns {
  readonly #kernel: Kernel
  readonly #onExpired: (cell: Cell, replyTo: unknown) => void
  #ready: Cell[] = []
  /** Trace id of the message being handled; what is told meanwhile belongs to the same work. */
  traceId = ''

  constructor(kernel: Kernel, onExpired: (cell: Cell, replyTo: unknown) => void) {
    this.#kernel = kernel
    this.#onExpired = onExpired
  }

  /** Puts a cell with work on the list, once. */
  arm(cell: Cell): void {
    if (cell.ready || !isLive(cell) || cell.mailbox.size === 0) return
    cell.ready = true
    if (this.#ready.push(cell) === 1) this.#kernel.world.wake(this.#turn)
  }

  readonly #turn = (): void => {
    const { world } = this.#kernel
    const untilMs = world.monotonicMs() + turnMs
    const ready = this.#ready
    let next = 0
    while (next < ready.length && next < turnBatches) {
      const picked = next + world.pick(ready.length - next)
      const cell = ready[picked] as Cell
      ready[picked] = ready[next] as Cell
      next++
      cell.ready = false
      this.#handleBatch(cell)
      if (isLive(cell) && cell.mailbox.size > 0 && !cell.ready) {
        cell.ready = true
        ready.push(cell)
      }
      if (world.monotonicMs() > untilMs) break
    }
    this.#ready = ready.slice(next)
    if (this.#ready.length > 0) world.wake(this.#turn)
  }

  #handleBatch(cell: Cell): void {
    const { world, facts } = this.#kernel
    const observed = facts.wants('handled')
    for (let i = 0; i < batchMessages && isLive(cell); i++) {
      const envelope = cell.mailbox.take()
      if (envelope === undefined) return
      const { message, deadlineMs } = envelope
      if (deadlineMs !== 0 && world.monotonicMs() > deadlineMs) {
        this.#kernel.deadLetter(cell.ref, message.type, 'expired')
        this.#onExpired(cell, message.replyTo)
        continue
      }
      this.traceId = envelope.traceId
      cell.handled++
      const startMs = observed ? world.monotonicMs() : 0
      cell.actor?.send(message)
      this.traceId = ''
      if (!observed) continue
      const tookMs = world.monotonicMs() - startMs
      if (tookMs > cell.longestMs) cell.longestMs = tookMs
      facts.emit({ kind: 'handled', ref: cell.ref, message, tookMs, waiting: cell.mailbox.size })
    }
  }
}
