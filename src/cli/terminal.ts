/** What a command touches of its process: output, environment, signals. Tests hand in another one. */

export interface Terminal {
  /** Writes the answer. */
  print(text: string): void
  /** Writes what is not the answer: errors, progress, hints. */
  note(text: string): void
  /** Whether a person reads the answer, who wants it redrawn in place. */
  readonly interactive: boolean
  /** Whether a person reads the notes, who wants a progress bar. */
  readonly notesInteractive: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls `listener` on SIGINT and SIGTERM until the returned function is called. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void
  /** Ends the process at once. */
  exit(code: number): void
}

export function processTerminal(): Terminal {
  // A reader that goes away, such as `head`, ends the command quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  return {
    print: (text) => void process.stdout.write(text),
    note: (text) => void process.stderr.write(text),
    interactive: process.stdout.isTTY === true,
    notesInteractive: process.stderr.isTTY === true,
    env: process.env,
    onSignal: (listener) => {
      process.on('SIGINT', listener)
      process.on('SIGTERM', listener)
      return () => {
        process.off('SIGINT', listener)
        process.off('SIGTERM', listener)
      }
    },
    exit: (code) => process.exit(code),
  }
}
