/**
 * Stop strings across token borders. Whole tokens are held back while the text could still become a stop string, so
 * that what was released is never taken back and an interrupted answer resumes at a token border.
 */
import type { TokenLogprob } from '../../protocols/chat.ts'

/** Tokens and the text that they add, which may be split no further; and their probabilities, where they are wanted. */
export interface Piece {
  readonly tokens: readonly number[]
  readonly text: string
  readonly logprobs?: readonly TokenLogprob[]
}

export interface StopResult {
  /** What may be shown now, in order. */
  readonly released: readonly Piece[]
  /** What remains of the piece in which a stop string begins, after those: its tokens say more than its text. */
  readonly cut?: Piece
  /** A stop string was completed: `released` and `cut` end just before it and nothing may follow. */
  readonly stopped: boolean
}

/** One piece of several that follow each other. */
export function joinedPieces(pieces: readonly Piece[]): Piece {
  // Nearly always there is one, and this runs for every token.
  if (pieces.length === 1) return pieces[0] as Piece
  const tokens = pieces.flatMap((piece) => piece.tokens)
  const text = pieces.map((piece) => piece.text).join('')
  const logprobs = pieces.flatMap((piece) => piece.logprobs ?? [])
  return logprobs.length === 0 ? { tokens, text } : { tokens, text, logprobs }
}

const nothing: StopResult = { released: [], stopped: false }

export class StopStrings {
  readonly #stops: readonly string[]
  #held: Piece[] = []

  /** @param stops empty ones are ignored */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '')
  }

  push(piece: Piece): StopResult {
    if (this.#stops.length === 0) return { released: [piece], stopped: false }
    this.#held.push(piece)
    const text = this.#held.map((held) => held.text).join('')
    const at = firstStop(text, this.#stops)
    if (at >= 0) return this.#stopAt(at)
    const released = this.#releaseUpTo(text.length - longestPartialStop(text, this.#stops))
    return released.length === 0 ? nothing : { released, stopped: false }
  }

  /** The answer has ended: what was held back is text after all. */
  flush(): readonly Piece[] {
    const released = this.#held
    this.#held = []
    return released
  }

  /** Pieces that end at or before `length`. */
  #releaseUpTo(length: number): Piece[] {
    let count = 0
    let end = 0
    for (const piece of this.#held) {
      end += piece.text.length
      if (end > length) break
      count += 1
    }
    return this.#held.splice(0, count)
  }

  #stopAt(length: number): StopResult {
    const released = this.#releaseUpTo(length)
    const left = released.reduce((rest, piece) => rest - piece.text.length, length)
    const [piece] = this.#held
    this.#held = []
    if (piece === undefined || left === 0) return { released, stopped: true }
    return { released, cut: { ...piece, text: piece.text.slice(0, left) }, stopped: true }
  }
}

/** Where the first stop string begins, or -1. */
function firstStop(text: string, stops: readonly string[]): number {
  let first = -1
  for (const stop of stops) {
    const at = text.indexOf(stop)
    if (at >= 0 && (first < 0 || at < first)) first = at
  }
  return first
}

/** Length of the longest end of `text` that begins a stop string. */
function longestPartialStop(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
