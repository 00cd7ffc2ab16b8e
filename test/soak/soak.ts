/** A line for people. */
export type Print = (line: string) => void

/** What `npm run soak` can run. */
export interface Soak {
  /** How long it takes by default. */
  readonly minutes: number
  /** Rejects with what did not hold. */
  run(minutes: number, print: Print): Promise<void>
  /** Ends its processes at once: called whenever the process of the run ends. */
  kill(): void
}
