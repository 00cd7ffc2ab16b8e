/** As much of a terminal as progress needs: it wraps, moves up, erases, and wraps anew when its width changes. */
import { columnsOf } from '../../src/cli/columns.ts'

/** A sequence that moves the cursor or erases, or a character. */
const tokens = new RegExp(`${String.fromCharCode(27)}\\[(\\d*)([AKJ])|.`, 'gsu')

interface Row {
  /** One a column; the second column of a wide character is ''. */
  cells: string[]
  /** Whether it goes on in the next row because it was too long. */
  wraps: boolean
}

export class Screen {
  /** Whether anything that was written did not fit into its row. */
  hasWrapped = false
  #columns: number
  #rows: Row[] = [{ cells: [], wraps: false }]
  #row = 0
  #column = 0

  constructor(columns: number) {
    this.#columns = columns
  }

  /** Its rows, without the spaces at their ends. */
  get text(): string[] {
    return this.#rows.map(({ cells }) =>
      Array.from(cells, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    )
  }

  write(text: string): void {
    for (const [token, count, command] of text.matchAll(tokens)) {
      if (token === '\r') this.#column = 0
      else if (token === '\n') this.#feed()
      else if (command === 'A') this.#row = Math.max(0, this.#row - Number(count))
      else if (command !== undefined) this.#erase(command)
      else this.#put(token)
    }
  }

  /** What did not fit comes together again, or is divided. The cursor stays at its character. */
  resize(columns: number): void {
    const lines: Row[][] = [[]]
    for (const row of this.#rows) {
      lines.at(-1)?.push(row)
      if (!row.wraps) lines.push([])
    }
    const cursor = this.#rows[this.#row]
    this.#columns = columns
    this.#rows = []
    for (const line of lines.filter(({ length }) => length > 0)) {
      const at = cursor === undefined ? -1 : line.indexOf(cursor)
      const before = line.slice(0, Math.max(0, at)).reduce((sum, { cells }) => sum + cells.length, 0)
      const cells = line.flatMap((row) => row.cells)
      const first = this.#rows.length
      for (let from = 0; from === 0 || from < cells.length; from += columns) {
        this.#rows.push({ cells: cells.slice(from, from + columns), wraps: from + columns < cells.length })
      }
      if (at < 0) continue
      const offset = before + this.#column
      this.#row = Math.min(first + Math.floor(offset / columns), this.#rows.length - 1)
      this.#column = offset - (this.#row - first) * columns
    }
  }

  get #current(): Row {
    return this.#rows[this.#row] as Row
  }

  #feed(): void {
    this.#row += 1
    this.#column = 0
    if (this.#row === this.#rows.length) this.#rows.push({ cells: [], wraps: false })
  }

  #erase(command: string): void {
    this.#current.cells.length = Math.min(this.#current.cells.length, this.#column)
    this.#current.wraps = false
    if (command === 'J') this.#rows.length = this.#row + 1
  }

  #put(character: string): void {
    const width = columnsOf(character)
    if (this.#column + width > this.#columns) {
      this.hasWrapped = true
      this.#current.wraps = true
      this.#feed()
    }
    this.#current.cells[this.#column] = character
    if (width === 2) this.#current.cells[this.#column + 1] = ''
    this.#column += width
  }
}
