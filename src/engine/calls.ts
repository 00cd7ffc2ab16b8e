/** The requests that a loaded model has taken: who is computed, who waits, and the stream of each. For every driver. */
import type { InferFrame, InferStream, WorkerLoad } from '../../protocols/infer.ts'
import { Channel } from '../runtime/channel.ts'
import { Admission, type Ticket } from './admission.ts'
import type { Clock } from './clock.ts'
import { refusedStream } from './frames.ts'

/** Frames that wait for a slow consumer before its work sits out, in frames; one is about one token. */
const highWaterFrames = 64

/** One request's place and stream. */
export interface Call {
  readonly channel: Channel<InferFrame>
  /** False once it has been left, or the engine has ended. */
  isOpen(): boolean
  /** Frees its place. Any number of times. */
  leave(): void
}

/** What a driver does for one request. */
export interface Work {
  /** Its turn has come. */
  begin(): void
  /** The consumer has taken everything after a push that answered false. */
  drained(): void
  /** The consumer went away: the driver leaves the call, at once or when its slot is free. */
  cancelled(): void
  /** The engine has ended and the stream with it: what the work holds goes. */
  ended(): void
}

export interface CallsInit {
  /** Requests computed at once. */
  readonly slots: number
  /** Requests that may wait. */
  readonly maxWaiting: number
  readonly clock: Clock
}

export class Calls<W extends Work> {
  readonly #admission: Admission
  readonly #works = new Map<Call, W>()
  #over = false

  constructor(init: CallsInit) {
    this.#admission = new Admission(init)
  }

  get over(): boolean {
    return this.#over
  }

  load(): WorkerLoad {
    return this.#admission.load()
  }

  /** The work of every request that has a place, computed or waiting. */
  works(): readonly W[] {
    return [...this.#works.values()]
  }

  /**
   * The stream of a new request: refused where the engine has ended or is full, else accepted and begun in its turn.
   * @param again it had a slot a moment ago: it waits before all others and is never turned away
   */
  enter(model: string, workOf: (call: Call) => W, again = false): InferStream {
    if (this.#over) return refusedStream('draining', `${model} is being unloaded`, this.load())
    let ticket: Ticket | undefined
    const channel = new Channel<InferFrame>({
      highWater: highWaterFrames,
      onDrain: () => work.drained(),
      onCancel: () => work.cancelled(),
    })
    const works = this.#works
    const call: Call = {
      channel,
      isOpen: () => works.has(call),
      leave: () => {
        if (works.delete(call)) ticket?.leave()
      },
    }
    const work = workOf(call)
    ticket = this.#admission.enter(
      () => work.begin(),
      (before, waiting) => channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
      again,
    )
    if (ticket === undefined) {
      return refusedStream('busy', `every slot for ${model} is taken and its queue is full`, this.load())
    }
    works.set(call, work)
    channel.push({ kind: 'accepted', load: this.load() })
    if (!ticket.isWaiting()) work.begin()
    return channel
  }

  /**
   * Ends every stream with `last` and takes no more.
   * @returns false where that was so already
   */
  end(last: InferFrame): boolean {
    if (this.#over) return false
    this.#over = true
    this.#admission.clear()
    for (const [{ channel }, work] of this.#works) {
      channel.push(last)
      channel.end()
      work.ended()
    }
    this.#works.clear()
    return true
  }
}

/** Work that is one promise, which gives frames at its consumer's pace. */
export class PromisedWork implements Work {
  readonly #call: Call
  readonly #run: (work: PromisedWork) => Promise<void>
  readonly #abort = new AbortController()
  #resume: (() => void) | undefined

  /** @param run what it does; it never rejects */
  constructor(call: Call, run: (work: PromisedWork) => Promise<void>) {
    this.#call = call
    this.#run = run
  }

  /** Aborted when nobody wants the answer any more. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  begin(): void {
    void this.#run(this).finally(() => {
      this.#call.channel.end()
      this.#call.leave()
    })
  }

  /** Adds a frame that need not wait. */
  push(frame: InferFrame): void {
    this.#call.channel.push(frame)
  }

  /** Adds a frame, and waits while the consumer does not keep up. */
  async give(frame: InferFrame): Promise<void> {
    const { channel } = this.#call
    if (channel.push(frame) || channel.closed) return
    await new Promise<void>((resolve) => {
      this.#resume = resolve
    })
  }

  drained(): void {
    this.#resume?.()
  }

  cancelled(): void {
    this.#call.leave()
    this.ended()
  }

  ended(): void {
    this.#abort.abort()
    this.#resume?.()
  }
}
