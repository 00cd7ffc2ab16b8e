/** One answer: its tokens, what of them may be shown, and when it ends. No I/O, no engine. */
import type { TokenLogprob } from '../../protocols/chat.ts'
import type { InferFrame, SamplingOptions } from '../../protocols/infer.ts'
import { joinedPieces, type Piece, type StopResult, StopStrings } from './stop-strings.ts'
import { type Detokenize, Utf8Pieces } from './utf8.ts'

/** Ollama's cap on an answer whose length nobody limited, in contexts. */
const maxContextsPerAnswer = 10

export interface AnswerInit {
  readonly prompt: readonly number[]
  /** Of the prompt's first tokens, those that the engine put there itself, and will again: no `context` brings them. */
  readonly addedTokens: number
  readonly resume: readonly number[]
  readonly sampling: SamplingOptions
  /** Tokens that the prompt and the answer may have together. */
  readonly contextTokens: number
  /** Whether the oldest tokens may make room for new ones. */
  readonly shift: boolean
  readonly detokenize: Detokenize
  /** The tokens of a text that stands in the middle of others. */
  readonly tokenize: (text: string) => readonly number[]
  readonly monotonicMs: () => number
}

export class Answer {
  readonly #init: AnswerInit
  readonly #stops: StopStrings
  readonly #text: Utf8Pieces
  readonly #maxTokens: number
  readonly #beganMs: number
  #firstTokenMs: number | undefined
  /** Computed, among them those of a stop string and the one by which the model ended: Ollama counts them all. */
  #tokens: number
  /** Sent; the index of the next. */
  #shown: number
  /** Of the prompt's tokens, how many the sequence already held. */
  cachedTokens = 0

  constructor(init: AnswerInit) {
    this.#init = init
    this.#stops = new StopStrings(init.sampling.stop)
    this.#text = new Utf8Pieces(init.detokenize, [...init.prompt.slice(-8), ...init.resume.slice(-8)])
    this.#maxTokens = answerLimit(init.sampling.num_predict, init.contextTokens)
    this.#beganMs = init.monotonicMs()
    this.#tokens = init.resume.length
    this.#shown = init.resume.length
  }

  /** Whether there is no room or no permission for one more token. */
  get full(): boolean {
    if (this.#tokens >= this.#maxTokens) return true
    return !this.#init.shift && this.#init.prompt.length + this.#tokens >= this.#init.contextTokens
  }

  /** Takes one sampled token. @returns what may be sent, `done` included when it was the last */
  push(token: number, logprob?: TokenLogprob): InferFrame[] {
    this.#firstTokenMs ??= this.#init.monotonicMs()
    this.#tokens += 1
    const piece = this.#text.push(token, logprob)
    if (piece !== undefined) {
      const result = this.#stops.push(piece)
      const frames = this.#release(result)
      if (result.stopped) return [...frames, this.#done('stop')]
      return this.full ? [...frames, ...this.end('length')] : frames
    }
    return this.full ? this.end('length') : []
  }

  /** The model ended, by a token that says nothing, or there is no more room: what was held back is shown. */
  end(reason: 'stop' | 'length'): InferFrame[] {
    if (reason === 'stop') this.#tokens += 1
    const last = this.#text.flush()
    const result = last === undefined ? undefined : this.#stops.push(last)
    const frames = [...(result === undefined ? [] : this.#release(result)), ...this.#show(this.#stops.flush())]
    return [...frames, this.#done(result?.stopped === true ? 'stop' : reason)]
  }

  /** Of a piece that was cut, the tokens of what is left of it: whoever goes on with the answer goes on from there. */
  #release({ released, cut }: StopResult): InferFrame[] {
    if (cut === undefined) return this.#show(released)
    return this.#show([...released, { ...cut, tokens: this.#init.tokenize(cut.text) }])
  }

  #show(pieces: readonly Piece[]): InferFrame[] {
    if (pieces.length === 0) return []
    const index = this.#shown
    const { tokens, text, logprobs } = joinedPieces(pieces)
    this.#shown += tokens.length
    return [
      logprobs === undefined
        ? { kind: 'token', index, tokens, text }
        : { kind: 'token', index, tokens, text, logprobs },
    ]
  }

  #done(reason: 'stop' | 'length'): InferFrame {
    const nowMs = this.#init.monotonicMs()
    const firstMs = this.#firstTokenMs ?? nowMs
    return {
      kind: 'done',
      reason,
      promptTokens: this.#init.prompt.length,
      cachedTokens: this.cachedTokens,
      promptNs: nanoseconds(firstMs - this.#beganMs),
      evalTokens: this.#tokens,
      evalNs: nanoseconds(nowMs - firstMs),
      loadNs: 0,
      promptTokenIds: this.#init.prompt.slice(this.#init.addedTokens),
    }
  }
}

/** Tokens that an answer may have. As in Ollama, 0 is no limit either. */
export function answerLimit(numPredict: number, contextTokens: number): number {
  const most = contextTokens * maxContextsPerAnswer
  return numPredict <= 0 ? most : Math.min(numPredict, most)
}

function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6))
}
