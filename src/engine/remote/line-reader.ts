/** Text that arrives in pieces, cut into lines. */

/**
 * Ends a line at `\n` or `\r\n` and nowhere else: Node's own `readline` does so at U+2028 as well, which may stand inside
 * of JSON. Throws a RangeError for a line that is longer than `maxLength` characters, before more of it is kept.
 */
export class LineReader {
  readonly #maxLength: number
  /** Joined when the line is whole: a long one arrives in many pieces. */
  #pieces: string[] = []
  #length = 0

  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** The lines that end in this piece, each before what comes after it is looked at. */
  *push(piece: string): Generator<string, void, void> {
    let from = 0
    for (let at = piece.indexOf('\n'); at >= 0; at = piece.indexOf('\n', from)) {
      this.#keep(piece.slice(from, at))
      yield this.end()
      from = at + 1
    }
    this.#keep(piece.slice(from))
  }

  /** What has no end yet; '' where that is nothing. */
  end(): string {
    const line = this.#pieces.length === 1 ? (this.#pieces[0] ?? '') : this.#pieces.join('')
    this.#pieces = []
    this.#length = 0
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }

  #keep(piece: string): void {
    if (piece === '') return
    this.#length += piece.length
    if (this.#length > this.#maxLength) throw new RangeError(`a line of more than ${this.#maxLength} characters`)
    this.#pieces.push(piece)
  }
}
