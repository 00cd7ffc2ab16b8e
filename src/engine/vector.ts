/** What happens to a vector between the model and the client. */

/** Thrown when an input cannot be embedded; the message is Ollama's. */
export class EmbeddingError extends Error {
  override readonly name = 'EmbeddingError'
  readonly code: 'invalid-request' | 'context-exceeded'

  constructor(code: EmbeddingError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Ollama's words for an input that may not be truncated and does not fit. */
export const inputTooLong = 'the input length exceeds the context length'

/**
 * Cuts a vector to `dimensions` (0: all of it) and scales it to length 1 where asked.
 * @throws EmbeddingError when it holds no numbers
 */
export function shapeVector(values: readonly number[], dimensions: number, normalize: boolean): Float32Array {
  if (!values.every(Number.isFinite)) {
    throw new EmbeddingError('invalid-request', 'embedding contains NaN or Inf values')
  }
  const cut = dimensions > 0 && dimensions < values.length
  const vector = Float32Array.from(cut ? values.slice(0, dimensions) : values)
  if (!normalize) return vector
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length === 0 ? vector : vector.map((value) => value / length)
}
