/**
 * The open responses of this entry node, by request id: where an attempt puts its frames and a route takes them. Frames
 * pass with back-pressure and never through a mailbox; the task's machine alone puts the last one.
 */
import type { InferFrame, Resume } from '../../protocols/infer.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { Channel } from '../runtime/channel.ts'
import type { Answer } from './services.ts'

/** Frames that wait for a slow client before its worker is slowed down. */
const maxWaitingFrames = 64
/** Tokens of an answer that are kept for resuming it elsewhere; a longer answer cannot be resumed. */
const maxKeptTokens = 131_072

export class Response implements Answer {
  readonly #channel: Channel<InferFrame>
  #onDrain: (() => void) | undefined
  #tokens: number[] = []
  #nextIndex = 0
  #worker: NodeId | undefined

  constructor(onGone: () => void) {
    this.#channel = new Channel({
      highWater: maxWaitingFrames,
      onDrain: () => this.#release(),
      onCancel: () => {
        this.#release()
        onGone()
      },
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly InferFrame[]> {
    return this.#channel[Symbol.asyncIterator]()
  }

  get worker(): NodeId | undefined {
    return this.#worker
  }

  /** Index of the token that comes next. */
  get nextIndex(): number {
    return this.#nextIndex
  }

  /** Where another worker would continue; undefined before the first token and when the answer is too long to be kept. */
  get resume(): Resume | undefined {
    return this.#nextIndex > 0 && this.#tokens.length === this.#nextIndex ? { tokens: this.#tokens } : undefined
  }

  /** A worker has taken the request: what is pushed from now on is its answer. */
  acceptedBy(worker: NodeId): void {
    this.#worker = worker
  }

  /** Passes a frame on. False: the client is slow, wait for `drained` before the next. */
  push(frame: InferFrame): boolean {
    if (frame.kind === 'token') {
      this.#nextIndex += frame.tokens.length
      if (this.#tokens.length + frame.tokens.length <= maxKeptTokens) this.#tokens.push(...frame.tokens)
    }
    return this.#channel.push(frame)
  }

  /** Resolves when the client has taken what waited, or has gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = resolve
    })
  }

  /** The last frame. */
  end(frame: InferFrame): void {
    this.#channel.push(frame)
    this.#channel.end()
    this.#release()
  }

  #release(): void {
    this.#onDrain?.()
    this.#onDrain = undefined
  }
}

export class Responses {
  readonly #open = new Map<string, Response>()

  /** Opens a response; `onGone` is called when the client leaves before its end. */
  open(id: string, onGone: () => void): Response {
    const response = new Response(() => {
      this.#open.delete(id)
      onGone()
    })
    this.#open.set(id, response)
    return response
  }

  get(id: string): Response | undefined {
    return this.#open.get(id)
  }

  /** Drops a response that was never given a task. */
  forget(id: string): void {
    this.#open.delete(id)
  }

  /** Ends a response with its last frame; nothing happens when it has ended already. */
  end(id: string, frame: InferFrame): void {
    const response = this.#open.get(id)
    this.#open.delete(id)
    response?.end(frame)
  }
}
