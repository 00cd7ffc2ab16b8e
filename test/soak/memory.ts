/** What a process holds, minute by minute, and whether it has stopped growing. */
import { readFileSync } from 'node:fs'

/** What the median of a span may be above the one that it is compared with. */
const maxGrowth = 1.1

/** A judgement begins with the second span: in the first one code is compiled and caches are filled. */
const firstJudged = 1

/**
 * V8 lets its young generation and the spaces around it grow for as long as memory is plentiful, to hundreds of megabytes for
 * a live heap of 40. Small spaces make what the process holds show in what is resident, within minutes.
 */
export const smallSpaces: readonly string[] = ['--max-semi-space-size=8', '--optimize-for-size']

/** Resident memory of a process, in MB. Linux: read from /proc. */
function residentMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1024
}

export class Memory {
  readonly name: string
  readonly #pid: number
  readonly #spanMs: number
  readonly #samples: Array<{ readonly atMs: number; readonly mb: number }> = []

  /** `spanMs`: what is told as one number; a minute where it is about a node. */
  constructor(name: string, pid: number, spanMs: number) {
    this.name = name
    this.#pid = pid
    this.#spanMs = spanMs
  }

  /** `atMs`: since the beginning. */
  sample(atMs: number): void {
    this.#samples.push({ atMs, mb: residentMb(this.#pid) })
  }

  /** The median of each span, in MB. */
  medians(spans: number): number[] {
    return Array.from({ length: spans }, (_, span) => {
      const within = this.#samples.filter(({ atMs }) => Math.floor(atMs / this.#spanMs) === span)
      return within.map(({ mb }) => mb).toSorted((a, b) => a - b)[Math.floor(within.length / 2)] ?? Number.NaN
    })
  }
}

/** Throws where the last span is above the second. For processes with small spaces. */
export function demandFlat(name: string, medians: readonly number[]): void {
  demand(name, medians[firstJudged], medians.at(-1))
}

/**
 * Throws where the last third of the spans is still above the one before it: memory may rise while V8 has not collected
 * everything once, and must then stay. For processes with V8's defaults, over a quarter of an hour and more.
 */
export function demandPlateau(name: string, medians: readonly number[]): void {
  const third = Math.floor(medians.length / 3)
  const before = Math.max(...medians.slice(-2 * third, -third))
  demand(name, before, Math.max(...medians.slice(-third)))
}

/** Not a number is no proof either. */
function demand(name: string, before: number | undefined, last: number | undefined): void {
  if (before !== undefined && last !== undefined && last <= before * maxGrowth) return
  throw new Error(`${name} grew from ${before?.toFixed(0)} to ${last?.toFixed(0)} MB`)
}
