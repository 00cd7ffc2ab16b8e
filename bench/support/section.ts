/** One section of the results. */
import type { BenchContext } from './context.ts'
import type { Samples, Table } from './samples.ts'

/** A target of the design beside what was measured. */
export interface Verdict {
  readonly what: string
  readonly target: string
  readonly measured: Samples
  readonly unit: string
  readonly met: boolean
}

export interface SectionResult {
  readonly tables: readonly { readonly title: string; readonly table: Table }[]
  readonly verdicts: readonly Verdict[]
  readonly notes?: readonly string[]
  /** Printed as it is. */
  readonly verbatim?: string
}

export interface Section {
  readonly name: string
  readonly title: string
  /** What is done, in sentences. */
  readonly method: string
  run(context: BenchContext): Promise<SectionResult>
}
