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
  /** A stop string was completed: `released` ends just before it and nothing may follow. */
  readonly stopped: boolean
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
    if (at >= 0) return { released: this.#cutAt(at), stopped: true }
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

  /** Pieces that begin before `length`, the last one shortened. */
  #cutAt(length: number): Piece[] {
    const released: Piece[] = []
    let left = length
    for (const piece of this.#held) {
      if (left === 0) break
      const text = piece.text.slice(0, left)
      released.push({ ...piece, text })
      left -= text.length
    }
    this.#held = []
    return released
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
