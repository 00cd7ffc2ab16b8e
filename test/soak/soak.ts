/** What `npm run soak` can run. */
export interface Soak {
  /** How long it takes by default. */
  readonly minutes: number
  /** Rejects with what did not hold. `print`: a line for people. */
  run(minutes: number, print: (line: string) => void): Promise<void>
  /** Ends its processes at once: called whenever the process of the run ends. */
  kill(): void
}
