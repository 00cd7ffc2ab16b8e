/** One request at the entry node: its frames from the worker's stream to the consumer, and the one way in which it ends. */
import type { FailureCode, InferFrame, InferStream } from '../../protocols/infer.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import { Channel } from '../runtime/channel.ts'
import type { Clock } from '../runtime/world.ts'
import { backgroundClock } from './clock.ts'
import { inferHighWaterFrames, starvedMs } from './limits.ts'

/** What a call needs of the stream that carries it. */
export interface CallStream {
  pause(): void
  resume(): void
  /** Resets the stream: the worker stops. */
  reset(reason: string): void
  /** Bytes of the request that the network has not taken yet. */
  readonly unsentBytes: number
}

export class InferCall {
  readonly #channel: Channel<InferFrame>
  readonly #stallMs: number
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  readonly #cancel = () => this.fail('cancelled', 'the request was cancelled')
  readonly #opening = new AbortController()
  #stream: CallStream | undefined
  #accepted = false
  #ended = false
  #paused = false
  #heardMs: number
  /** At the last check: a request that is still being taken is not a worker that is silent. */
  #unsentBytes = Number.POSITIVE_INFINITY
  #watchdog: unknown

  constructor(stallMs: number, signal?: AbortSignal, clock: Clock = backgroundClock) {
    this.#stallMs = stallMs
    this.#clock = clock
    this.#heardMs = clock.monotonicMs()
    this.#signal = signal
    this.#channel = new Channel<InferFrame>({
      highWater: inferHighWaterFrames,
      onDrain: () => this.#resume(),
      onCancel: () => this.#leave('the consumer left'),
    })
    this.#watch(stallMs)
    if (signal?.aborted) this.#cancel()
    else signal?.addEventListener('abort', this.#cancel)
  }

  get frames(): InferStream {
    return this.#channel
  }

  /** Aborted when the call ends before it has a stream. */
  get opening(): AbortSignal {
    return this.#opening.signal
  }

  get ended(): boolean {
    return this.#ended
  }

  /** From here on the frames come, or the stream's loss does. */
  attach(stream: CallStream): void {
    this.#stream = stream
    this.heard()
  }

  /** The worker has said something. Once for all frames that came together: the clock costs as much as a frame. */
  heard(): void {
    this.#heardMs = this.#clock.monotonicMs()
  }

  /** Takes one frame. True: it was the last. Throws ProtocolError when it may not come here. */
  deliver(frame: InferFrame): boolean {
    if (this.#ended) return true
    if (!this.#accepted) {
      // A worker that is still deciding says so; only what follows its decision is part of the answer.
      if (frame.kind === 'progress') return false
      if (frame.kind !== 'accepted' && frame.kind !== 'refused' && frame.kind !== 'failed') {
        throw new ProtocolError('shape', `${frame.kind} before the request was accepted`)
      }
      this.#accepted = true
    } else if (frame.kind === 'accepted' || frame.kind === 'refused') {
      throw new ProtocolError('shape', `${frame.kind} in the middle of an answer`)
    }
    const hasRoom = this.#channel.push(frame)
    if (frame.kind === 'refused' || frame.kind === 'done' || frame.kind === 'failed') {
      this.#end()
      return true
    }
    if (!hasRoom && !this.#paused) {
      this.#paused = true
      this.#stream?.pause()
    }
    return false
  }

  /** Ends the answer with a failure that this side found; nothing happens when it has ended already. */
  fail(code: FailureCode, message: string): void {
    if (this.#ended) return
    this.#channel.push({ kind: 'failed', code, message })
    this.#leave(message)
  }

  /** No more frames are wanted: the stream is reset, so that the worker stops. */
  #leave(reason: string): void {
    if (this.#ended) return
    this.#end()
    this.#opening.abort()
    this.#stream?.reset(reason)
  }

  #end(): void {
    this.#ended = true
    this.#clock.clearTimeout(this.#watchdog)
    this.#signal?.removeEventListener('abort', this.#cancel)
    this.#channel.end()
  }

  #resume(): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.heard()
    this.#stream?.resume()
  }

  #watch(inMs: number): void {
    const dueMs = this.#clock.monotonicMs() + inMs
    this.#watchdog = this.#clock.setTimeout(() => this.#check(dueMs), inMs)
  }

  /** Frames may wait in this process's own buffers: while it was starved or had paused the stream, silence proves nothing. */
  #check(dueMs: number): void {
    const nowMs = this.#clock.monotonicMs()
    const unsentBytes = this.#stream?.unsentBytes ?? 0
    const isUploading = unsentBytes > 0 && unsentBytes < this.#unsentBytes
    this.#unsentBytes = unsentBytes
    if (this.#paused || isUploading || nowMs - dueMs > starvedMs) this.#heardMs = nowMs
    const remainingMs = this.#heardMs + this.#stallMs - nowMs
    if (remainingMs > 0) this.#watch(Math.max(1, Math.ceil(remainingMs)))
    else this.fail('stalled', `the worker has said nothing for ${Math.round(this.#stallMs)} ms`)
  }
}
