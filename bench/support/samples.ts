/** Samples of interleaved rounds, and what is said of them: median and spread. */

const median = (values: readonly number[]): number => quantile(values, 0.5)

/** The nearest sample at a share of the sorted ones; for a median of an even number, the mean of the middle two. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = share * (sorted.length - 1)
  if (share === 0.5) return ((sorted[Math.floor(at)] ?? Number.NaN) + (sorted[Math.ceil(at)] ?? Number.NaN)) / 2
  return sorted[Math.ceil(at)] ?? Number.NaN
}

/** One cell of a table: samples by round. */
export class Samples {
  readonly values: number[] = []

  add(value: number | undefined): void {
    if (value !== undefined && Number.isFinite(value)) this.values.push(value)
  }

  get median(): number {
    return median(this.values)
  }

  /** `median (least–most)`, or a dash where nothing was measured. */
  toString(): string {
    if (this.values.length === 0) return '–'
    if (this.values.length === 1) return numberText(this.median)
    return `${numberText(this.median)} (${numberText(Math.min(...this.values))}–${numberText(Math.max(...this.values))})`
  }
}

/** Three significant digits, or whole thousands. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** Rows by arm, columns by measure. */
export class Table {
  readonly columns: readonly string[]
  readonly rows = new Map<string, Map<string, Samples>>()

  constructor(columns: readonly string[]) {
    this.columns = columns
  }

  add(row: string, measured: Readonly<Record<string, number | undefined>>): void {
    const cells = this.rows.get(row) ?? new Map<string, Samples>()
    this.rows.set(row, cells)
    for (const [column, value] of Object.entries(measured)) {
      const samples = cells.get(column) ?? new Samples()
      cells.set(column, samples)
      samples.add(value)
    }
  }

  /** What was measured for one cell; nothing, where nothing was. */
  samples(row: string, column: string): Samples {
    return this.rows.get(row)?.get(column) ?? new Samples()
  }

  /** By round. */
  values(row: string, column: string): readonly number[] {
    return this.samples(row, column).values
  }

  markdown(): string {
    const head = `| | ${this.columns.join(' | ')} |\n|---|${this.columns.map(() => '--:|').join('')}\n`
    const line = ([row, cells]: [string, Map<string, Samples>]) =>
      `| ${row} | ${this.columns.map((column) => cells.get(column)?.toString() ?? '–').join(' | ')} |\n`
    return head + [...this.rows].map(line).join('')
  }
}

/** `combine` of the same round's values of several cells, round by round: what is compared ran at the same time. */
export function byRound(columns: readonly (readonly number[])[], combine: (...values: number[]) => number): Samples {
  const samples = new Samples()
  const rounds = Math.min(...columns.map(({ length }) => length))
  for (let round = 0; round < rounds; round++) samples.add(combine(...columns.map((values) => values[round] as number)))
  return samples
}
