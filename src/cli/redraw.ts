/** Lines of a terminal that are drawn again in place, whatever its width has become. */
import { columnsOf } from './columns.ts'

/**
 * What turns the lines `before`, at the end of which the cursor stands, into the lines `after`. A terminal that became
 * narrower has wrapped the old ones by itself, so that they take more rows than they were.
 */
export function redraw(before: readonly string[], after: readonly string[], columns: number): string {
  const rows = before.reduce((sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / columns)), 0)
  const up = rows > 1 ? `\x1b[${rows - 1}A` : ''
  return `${up}\r${after.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`
}
