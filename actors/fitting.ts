/** Cuts rows to what one frame takes. */
import { encode } from '../protocols/codec.ts'

/** What a frame may give to a list of rows. */
export interface Room {
  readonly maxRows: number
  /** Encoded. */
  readonly maxBytes: number
}

/** The first rows that fit. */
export function fitting<Row>(rows: readonly Row[], { maxRows, maxBytes }: Room): Row[] {
  const taken: Row[] = []
  let bytes = 0
  for (const row of rows) {
    bytes += encode(row).length
    if (taken.length >= maxRows || bytes > maxBytes) break
    taken.push(row)
  }
  return taken
}
