/** Takes an answer's frames apart for one client: as a whole, or batch by batch. */
import type { ServerResponse } from 'node:http'
import type { TokenLogprob, ToolCall } from '../../protocols/chat.ts'
import type { InferFrame, InferResult } from '../../protocols/infer.ts'
import { ApiError } from './errors.ts'
import type { Answer } from './services.ts'

/** Names the node that computes an answer, by its peer id. */
const workerHeader = 'x-omx-node'

export type TokenFrame = Extract<InferFrame, { kind: 'token' }>
type RenderedFrame = Extract<InferFrame, { kind: 'rendered' }>

/** A complete answer to `generate` or `chat`. */
export interface WholeAnswer {
  readonly text: string
  readonly thinking: string
  readonly toolCalls: readonly ToolCall[]
  readonly logprobs: readonly TokenLogprob[]
  readonly tokens: readonly number[]
  /** The prompt, where that is all that was asked for. */
  readonly rendered: RenderedFrame | undefined
  readonly result: InferResult
}

/** Aborts when the client goes before its response has been written. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (response.destroyed) controller.abort()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}

/**
 * The answer's batches for as long as the client stays. When it goes the answer is left at once, which cancels the work.
 * The response's head, while it is not written yet, names the worker.
 */
export async function* batchesFor(
  response: ServerResponse,
  answer: Answer,
): AsyncGenerator<readonly InferFrame[], void, void> {
  const batches = answer[Symbol.asyncIterator]()
  const leave = () => void batches.return?.()
  response.once('close', leave)
  try {
    while (!response.destroyed) {
      const { done, value } = await batches.next()
      if (done === true || response.destroyed) return
      if (answer.worker !== undefined && !response.headersSent) response.setHeader(workerHeader, answer.worker)
      yield value
    }
  } finally {
    response.off('close', leave)
    await batches.return?.()
  }
}

/** The error that a frame means, if it ends the answer without a result. `model`: the name as sent. */
export function errorOf(frame: InferFrame, model: string): ApiError | undefined {
  if (frame.kind === 'failed') return new ApiError(frame.code, frame.message)
  if (frame.kind !== 'refused') return undefined
  return new ApiError(frame.reason, frame.reason === 'no-such-model' ? model : frame.message)
}

/** The error of a stream that ended without its last frame: because the client went, or against the protocol. */
export function cutShort(response: ServerResponse): ApiError {
  if (response.destroyed) return new ApiError('cancelled')
  return new ApiError('internal', 'the answer ended without a result: please send the request again')
}

/** The whole answer. Its size is bounded by the engine, which caps `num_predict`. Throws ApiError when it failed. */
export async function wholeAnswer(response: ServerResponse, answer: Answer, model: string): Promise<WholeAnswer> {
  const parts = new AnswerParts()
  for await (const batch of batchesFor(response, answer)) {
    for (const frame of batch) {
      if (frame.kind === 'done') return parts.whole(frame)
      parts.take(frame)
      const error = errorOf(frame, model)
      if (error !== undefined) throw error
    }
  }
  throw cutShort(response)
}

class AnswerParts {
  #text = ''
  #thinking = ''
  readonly #toolCalls: ToolCall[] = []
  readonly #logprobs: TokenLogprob[] = []
  readonly #tokens: number[] = []
  #rendered: RenderedFrame | undefined

  take(frame: InferFrame): void {
    if (frame.kind === 'rendered') this.#rendered = frame
    if (frame.kind !== 'token') return
    this.#text += frame.text
    this.#thinking += frame.thinking ?? ''
    for (const token of frame.tokens) this.#tokens.push(token)
    if (frame.toolCalls !== undefined) this.#toolCalls.push(...frame.toolCalls)
    if (frame.logprobs !== undefined) this.#logprobs.push(...frame.logprobs)
  }

  whole(result: InferResult): WholeAnswer {
    return {
      text: this.#text,
      thinking: this.#thinking,
      toolCalls: this.#toolCalls,
      logprobs: this.#logprobs,
      tokens: this.#tokens,
      rendered: this.#rendered,
      result,
    }
  }
}

/** What `_debug_render_only` answers. */
export function debugInfo({ prompt, images }: RenderedFrame): Record<string, unknown> {
  return { _debug_info: { rendered_template: prompt, ...counted('image_count', images) } }
}

/** The metrics of a final object, in Ollama's order; zero means absent, but `load_duration` never is. */
export function metricsOf(result: InferResult, startedMs: number): Record<string, number> {
  return {
    total_duration: Math.max(1, Math.round((performance.now() - startedMs) * 1e6)),
    load_duration: Math.max(1, Math.round(result.loadNs)),
    ...counted('prompt_eval_count', result.promptTokens),
    ...counted('prompt_eval_duration', Math.round(result.promptNs)),
    ...counted('eval_count', result.evalTokens),
    ...counted('eval_duration', Math.round(result.evalNs)),
  }
}

/** Go's `omitempty`. */
export function counted(name: string, count: number): Record<string, number> {
  return count === 0 ? {} : { [name]: count }
}
