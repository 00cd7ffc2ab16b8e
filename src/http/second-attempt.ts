/**
 * An answer that is asked for once more where the node that was to give it does not hold the model any more. What a name
 * means is known from what nodes said of themselves a moment ago: a model that was made anew meanwhile is another version.
 */
import type { InferFrame } from '../../protocols/infer.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Answer } from './services.ts'

type Batch = readonly InferFrame[]

/** @param again asks once more, with what is known by then; undefined: it would be the same */
export function withSecondAttempt(first: Answer, again: () => Promise<Answer | undefined>): Answer {
  return new SecondAttempt(first, again)
}

/** Not a generator: `return` of one would wait for the frame that is due. */
class SecondAttempt implements Answer, AsyncIterator<Batch> {
  #answer: Answer
  #frames: AsyncIterator<Batch>
  #again: (() => Promise<Answer | undefined>) | undefined
  #left = false

  constructor(first: Answer, again: () => Promise<Answer | undefined>) {
    this.#answer = first
    this.#frames = first[Symbol.asyncIterator]()
    this.#again = again
  }

  get worker(): NodeId | undefined {
    return this.#answer.worker
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch> {
    return this
  }

  next(): Promise<IteratorResult<Batch>> {
    return this.#again === undefined ? this.#frames.next() : this.#first(this.#again)
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#left = true
    void this.#frames.return?.()
    return Promise.resolve({ done: true, value: undefined })
  }

  async #first(again: () => Promise<Answer | undefined>): Promise<IteratorResult<Batch>> {
    this.#again = undefined
    const result = await this.#frames.next()
    const [frame] = result.done === true ? [] : result.value
    if (frame?.kind !== 'refused' || frame.reason !== 'no-such-model' || this.#left) return result
    const second = await again()
    if (second === undefined) return result
    this.#answer = second
    this.#frames = second[Symbol.asyncIterator]()
    // Who left meanwhile could not leave this one.
    if (this.#left) await this.#frames.return?.()
    return await this.#frames.next()
  }
}
