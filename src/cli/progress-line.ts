/** What one line of progress looks like in so many columns: a step that is being taken, or a bar that fills. */
import { columnsOf, cutTo } from './columns.ts'
import { sizeText } from './table.ts'

export interface ShownLine {
  readonly label: string
  /** Of something that is counted, in bytes. */
  readonly count?: { readonly completed: number; readonly total: number; readonly perSecond?: number | undefined }
  /** Whether nothing more will come of it. */
  readonly isOver: boolean
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'

/** A shorter bar says less than the percentage beside it. */
const minBarColumns = 8

/** The longest of each: `1000 MB/1000 MB`, `1000 MB/s`, `99h59m`. */
const sizesColumns = 15
const rateColumns = 9
const timeColumns = 6

/** What stands behind the bar, from everything to nothing, and how many columns it may take with the spaces before it. */
const tails = [
  { parts: 3, columns: 1 + sizesColumns + 2 + rateColumns + 2 + timeColumns },
  { parts: 2, columns: 1 + sizesColumns + 2 + rateColumns },
  { parts: 1, columns: 1 + sizesColumns },
  { parts: 0, columns: 0 },
]

/** Never longer than `columns`. `turn` counts up while the line is drawn again and again. */
export function drawLine(line: ShownLine, columns: number, turn: number): string {
  if (line.count !== undefined) return drawCount(line.label, line.count, columns)
  if (line.isOver) return cutTo(line.label, columns)
  return cutTo(`${cutTo(line.label, columns - 2)} ${spinner[turn % spinner.length]}`, columns)
}

function drawCount(label: string, count: NonNullable<ShownLine['count']>, columns: number): string {
  const hundredths = count.total === 0 ? 100 : Math.min(100, (count.completed * 100) / count.total)
  const percent = `${Math.floor(hundredths)}%`.padStart(4)
  const besideBar = columnsOf(label) + 1 + percent.length + 3
  const tail = tails.find((candidate) => columns - besideBar - candidate.columns >= minBarColumns)
  if (tail === undefined) return cutTo(`${cutTo(label, columns - percent.length - 1)} ${percent}`, columns)
  const barColumns = columns - besideBar - tail.columns
  const bar = '█'.repeat(Math.round((hundredths * barColumns) / 100)).padEnd(barColumns)
  const behind = partsOf(count).slice(0, tail.parts).join('  ')
  return `${label} ${percent} ▕${bar}▏ ${behind}`.trimEnd()
}

/** Sizes, rate, time left; of what is complete, its size. */
function partsOf({ completed, total, perSecond }: NonNullable<ShownLine['count']>): string[] {
  if (completed >= total) return [sizeText(total)]
  const sizes = `${sizeText(completed)}/${sizeText(total)}`
  if (perSecond === undefined) return [sizes]
  const rate = `${sizeText(perSecond)}/s`
  return perSecond > 0 ? [sizes, rate, timeText((total - completed) / perSecond)] : [sizes, rate]
}

/** `45s`, `1m12s`, `2h05m`. */
function timeText(seconds: number): string {
  const whole = Math.ceil(seconds)
  const hours = Math.floor(whole / 3_600)
  const minutes = Math.floor(whole / 60) % 60
  if (hours > 99) return '99h+'
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`
  return minutes > 0 ? `${minutes}m${String(whole % 60).padStart(2, '0')}s` : `${whole}s`
}
