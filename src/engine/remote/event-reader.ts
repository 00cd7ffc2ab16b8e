/** Server-sent events that arrive in pieces. */
import { LineReader } from './line-reader.ts'

/** Reads the data of events; their names, comments and whatever else stands in them are nobody's here. */
export class EventReader {
  readonly #lines: LineReader
  readonly #maxLength: number
  #data: string[] = []
  #length = 0

  /** @param maxLength of one event's data, in characters */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
    this.#lines = new LineReader(maxLength)
  }

  /** The data of the events that end in this piece, as from a LineReader. Throws a RangeError for one that is too long. */
  *push(piece: string): Generator<string, void, void> {
    for (const line of this.#lines.push(piece)) {
      if (line.startsWith('data:')) this.#keep(line.slice(line[5] === ' ' ? 6 : 5))
      else if (line === '' && this.#data.length > 0) yield this.#take()
    }
  }

  #keep(line: string): void {
    this.#length += line.length + 1
    if (this.#length > this.#maxLength) throw new RangeError(`an event of more than ${this.#maxLength} characters`)
    this.#data.push(line)
  }

  #take(): string {
    const event = this.#data.join('\n')
    this.#data = []
    this.#length = 0
    return event
  }
}
