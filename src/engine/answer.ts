/** One answer: its tokens, what of them may be shown, and when it ends. No I/O, no engine. */
import type { TokenLogprob } from '../../protocols/chat.ts'
import type { InferFrame, SamplingOptions } from '../../protocols/infer.ts'
import { type Piece, StopStrings } from './stop-strings.ts'
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
  readonly monotonicMs: () => number
}

export class Answer {
  readonly #init: AnswerInit
  readonly #stops: StopStrings
  readonly #text: Utf8Pieces
  readonly #maxTokens: number
  readonly #beganMs: number
  #firstTokenMs: number | undefined
  #tokens: number
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
      const { released, stopped } = this.#stops.push(piece)
      const frames = this.#show(released)
      if (stopped) return [...frames, this.#done('stop')]
      return this.full ? [...frames, ...this.end('length')] : frames
    }
    return this.full ? this.end('length') : []
  }

  /** The model ended, or there is no more room: what was held back is shown. */
  end(reason: 'stop' | 'length'): InferFrame[] {
    const last = this.#text.flush()
    const result = last === undefined ? undefined : this.#stops.push(last)
    const frames = this.#show([...(result?.released ?? []), ...this.#stops.flush()])
    return [...frames, this.#done(result?.stopped === true ? 'stop' : reason)]
  }

  #show(pieces: readonly Piece[]): InferFrame[] {
    const first = pieces[0]
    if (first === undefined) return []
    const index = this.#shown
    // Nearly always there is one, and this runs for every token.
    const { tokens, text, logprobs } = pieces.length === 1 ? first : joined(pieces)
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
      evalTokens: this.#shown,
      evalNs: nanoseconds(nowMs - firstMs),
      loadNs: 0,
      promptTokenIds: this.#init.prompt.slice(this.#init.addedTokens),
    }
  }
}

function joined(pieces: readonly Piece[]): Piece {
  const tokens = pieces.flatMap((piece) => piece.tokens)
  const text = pieces.map((piece) => piece.text).join('')
  const logprobs = pieces.flatMap((piece) => piece.logprobs ?? [])
  return logprobs.length === 0 ? { tokens, text } : { tokens, text, logprobs }
}

/** Tokens that an answer may have: -1 until the model ends, -2 until the context is full. */
export function answerLimit(numPredict: number, contextTokens: number): number {
  const most = contextTokens * maxContextsPerAnswer
  return numPredict < 0 ? most : Math.min(numPredict, most)
}

function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6))
}
