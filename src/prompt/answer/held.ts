/** Text that is kept until it is known what it is. */

/** Characters that one call may have, a whole file as an argument included; more than that is no call. */
export const maxHeldChars = 2 ** 20

/** Pieces in order, joined only when they are taken: a long call costs its length once, however many pieces it has. */
export class Held {
  #pieces: string[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  get overflows(): boolean {
    return this.#length > maxHeldChars
  }

  add(piece: string): void {
    if (piece === '') return
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  /** How much more may be kept. */
  get room(): number {
    return maxHeldChars - this.#length
  }

  take(): string {
    const text = this.#pieces.join('')
    this.#pieces = []
    this.#length = 0
    return text
  }
}
