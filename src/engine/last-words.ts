/** The end of what a child process wrote: what its failure is explained with. */

/** How much is kept, in characters. */
const maxKeptLength = 4096
/** How much of that is quoted in a message, in characters. */
const quotedLength = 600

export class LastWords {
  #text = ''

  hear(data: unknown): void {
    this.#text = `${this.#text}${String(data)}`.slice(-maxKeptLength)
  }

  /** For the end of a sentence; '' where nothing was said. */
  quoted(): string {
    const words = this.#text.trim().slice(-quotedLength)
    return words === '' ? '' : `; its last words: ${words}`
  }
}
