/** What the load generator is told, and what it answers. */

export interface Load {
  readonly port: number
  readonly path: string
  readonly body: object
  /** Lines that a complete answer has. */
  readonly lines: number
  readonly connections: number
  /** It ends after this time, or after so many requests in all. */
  readonly durationMs?: number
  readonly requests?: number
}

export interface LoadResult {
  readonly count: number
  readonly elapsedMs: number
  readonly p50Us: number
  readonly p99Us: number
}
