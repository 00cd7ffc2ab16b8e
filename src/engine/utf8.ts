/** Tokens to text, holding back those that end inside a character. */
import type { TokenLogprob } from '../../protocols/chat.ts'
import type { Piece } from './stop-strings.ts'

/** What a decoder writes for bytes that are no character (yet). */
const replacement = '\uFFFD'

/**
 * Most tokens held for one character to end, in tokens. A character has at most four bytes and a token at least one;
 * the rest is room for tokens that end one character and begin the next. Beyond it the bytes are not text.
 */
const maxHeldTokens = 16

/** Tokens before the held ones that the detokenizer sees, so that it knows whether a space belongs between. */
const tailTokens = 4

/** As `LlamaModel.detokenize`: the text of `tokens` where `before` went ahead of them. */
export type Detokenize = (tokens: readonly number[], before: readonly number[]) => string

export class Utf8Pieces {
  readonly #detokenize: Detokenize
  readonly #before: number[]
  #held: number[] = []
  #logprobs: TokenLogprob[] | undefined

  /** @param before the tokens that the answer continues */
  constructor(detokenize: Detokenize, before: readonly number[]) {
    this.#detokenize = detokenize
    this.#before = before.slice(-tailTokens)
  }

  /** @returns the piece that this token completes; undefined while it ends inside a character */
  push(token: number, logprob?: TokenLogprob): Piece | undefined {
    this.#held.push(token)
    if (logprob !== undefined) this.#logprobs = [...(this.#logprobs ?? []), logprob]
    const text = this.#detokenize(this.#held, this.#before)
    if (text.endsWith(replacement) && this.#held.length < maxHeldTokens) return undefined
    return this.#release(text)
  }

  /** The answer has ended: what is held becomes text as it is. */
  flush(): Piece | undefined {
    if (this.#held.length === 0) return undefined
    return this.#release(this.#detokenize(this.#held, this.#before))
  }

  #release(text: string): Piece {
    const tokens = this.#held
    const logprobs = this.#logprobs
    for (const token of tokens) {
      // In place, because this runs for every token.
      this.#before.push(token)
      if (this.#before.length > tailTokens) this.#before.shift()
    }
    this.#held = []
    this.#logprobs = undefined
    return logprobs === undefined ? { tokens, text } : { tokens, text, logprobs }
  }
}
