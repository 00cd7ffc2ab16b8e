/** Rows that a worker process measures in interleaved rounds, so that a slow moment of the host hits each alike. */
import { Table } from './samples.ts'

/** The only column of a table of timings. */
export const usEach = 'µs each'

/** What is timed, and how many times it happens in a round. */
export interface Row {
  readonly name: string
  readonly count: number
  run(): Promise<void> | void
}

/** Microseconds for one, by row and round. */
export type Timings = readonly (readonly [string, readonly number[]])[]

/** Runs every row once a round. One more round goes before and only warms up: this code runs for hours in a node. */
export async function timings(rows: readonly Row[], rounds: number): Promise<Timings> {
  const timed = rows.map((row) => [row.name, [] as number[]] as const)
  for (let round = 0; round <= rounds; round++) {
    for (const [index, row] of rows.entries()) {
      const us = await timeOf(row)
      if (round > 0) timed[index]?.[1].push(us)
    }
  }
  return timed
}

async function timeOf(row: Row): Promise<number> {
  const startMs = performance.now()
  await row.run()
  return ((performance.now() - startMs) * 1000) / row.count
}

/** A table of them, a line for each row. */
export function timingsTable(timed: Timings): Table {
  const table = new Table([usEach])
  for (const [name, values] of timed) for (const us of values) table.add(name, { [usEach]: us })
  return table
}
