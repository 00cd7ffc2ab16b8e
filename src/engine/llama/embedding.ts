/** Texts to vectors, one input at a time so that running answers get their turn in between. */
import type { Token } from 'node-llama-cpp'
import type { InferFrame } from '../../../protocols/infer.ts'
import { EmbeddingError, inputTooLong, shapeVector } from '../vector.ts'
import type { ChildWork } from './messages.ts'
import type { LoadedModel } from './model.ts'

type EmbedWork = Extract<ChildWork, { kind: 'embed' }>

export class Embedding {
  readonly #model: LoadedModel
  readonly #work: EmbedWork
  readonly #beganMs = performance.now()
  #next = 0
  #tokens = 0

  constructor(model: LoadedModel, work: EmbedWork) {
    this.#model = model
    this.#work = work
  }

  /**
   * Computes the next vector.
   * @returns its frame, or `done` after the last
   * @throws EmbeddingError
   */
  async step(): Promise<InferFrame> {
    const index = this.#next
    const text = this.#work.input[index]
    if (text === undefined) return this.#done()
    this.#next += 1
    const tokens = this.#fit(text)
    this.#tokens += tokens.length
    const context = await this.#model.embeddings()
    const { vector } = await context.getEmbeddingFor(tokens as Token[])
    const { dimensions, normalize } = this.#work
    return { kind: 'embedding', index, vector: shapeVector(vector, dimensions, normalize) }
  }

  /** @returns tokens that fit with the ones which the model's kind puts around them */
  #fit(text: string): readonly number[] {
    const tokens = this.#model.tokenize(text, true)
    const { model, contextTokens } = this.#model
    const limit = contextTokens - 1 - (model.tokens.shouldAppendEosToken ? 1 : 0)
    if (limit <= 0) {
      throw new EmbeddingError('context-exceeded', 'input after truncation exceeds maximum context length')
    }
    if (tokens.length <= limit) return tokens
    if (!this.#work.truncate) {
      throw new EmbeddingError('context-exceeded', inputTooLong)
    }
    return tokens.slice(0, limit)
  }

  #done(): InferFrame {
    return {
      kind: 'done',
      reason: 'stop',
      promptTokens: this.#tokens,
      cachedTokens: 0,
      promptNs: Math.round((performance.now() - this.#beganMs) * 1e6),
      evalTokens: 0,
      evalNs: 0,
      loadNs: 0,
    }
  }
}
