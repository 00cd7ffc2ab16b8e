/** Text for people: aligned tables, trees, sizes and ages. */

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly alignRight?: boolean
}

/** Rows under titles, each column as wide as its longest cell. Ends with a newline. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))]
  const toTheRight = columns.flatMap(({ alignRight }, index) => (alignRight === true ? [index] : []))
  return aligned(lines, 2, toTheRight).join('')
}

/** A line a row, its cells below those of the others, `gap` columns between them. */
export function aligned(
  rows: readonly (readonly string[])[],
  gap: number,
  toTheRight: readonly number[] = [],
): string[] {
  const lines = rows.map((cells) => cells.map(printable))
  const widths: number[] = []
  for (const cells of lines) {
    for (const [index, cell] of cells.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  }
  const pad = (cell: string, index: number) =>
    toTheRight.includes(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)
  return lines.map((cells) => `${cells.map(pad).join(' '.repeat(gap)).trimEnd()}\n`)
}

/** Labels and values, aligned. */
export function fields(pairs: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([label]) => label.length))
  return pairs.map(([label, value]) => `${label.padEnd(width)}  ${printable(value)}\n`).join('')
}

/** Names come from other hosts: what would move the cursor is shown instead of done. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

const sizeUnits = ['B', 'KB', 'MB', 'GB', 'TB']

/** A size as Ollama lists it: powers of 1000, three digits. */
export function sizeText(bytes: number): string {
  let size = bytes
  let unit = 0
  while (size >= 1_000 && unit < sizeUnits.length - 1) {
    size /= 1_000
    unit += 1
  }
  return `${unit === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${sizeUnits[unit]}`
}

const ageUnits = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** A span in its largest unit: `3 min`; below a second `0 s`. */
export function ageText(spanMs: number): string {
  const [unit, unitMs] = ageUnits.find(([, size]) => spanMs >= size) ?? ['s', 1_000]
  return `${Math.floor(spanMs / unitMs)} ${unit}`
}

/** A span that somebody waits for: `340 ms`, `3.2 s`, then as an age. */
export function spanText(spanMs: number): string {
  if (spanMs < 1_000) return `${Math.round(spanMs)} ms`
  return spanMs < 60_000 ? `${(spanMs / 1_000).toFixed(1)} s` : ageText(spanMs)
}

/** As Ollama shortens digests. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12)
}

/** Enough of an id to tell nodes and models apart at a glance; peer ids differ at their ends. */
export function shortId(id: string): string {
  return id.length <= 12 ? id : `…${id.slice(-8)}`
}
