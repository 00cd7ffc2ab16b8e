/** What a command touches of its process: input, output, environment, signals. Tests hand in another one. */
import { createInterface } from 'node:readline'

/** Lines that can be called back by the arrow keys. */
const maxRemembered = 500

/** Of a terminal that does not say, or says nothing at all. */
const commonSize = { columns: 80, rows: 24 }

export interface Terminal {
  /** Writes the answer. */
  print(text: string): void
  /** Writes what is not the answer: errors, progress, hints. */
  note(text: string): void
  /** Whether a person reads the answer, who wants it redrawn in place. */
  readonly interactive: boolean
  /** Whether a person reads the notes, who wants a progress bar. */
  readonly notesInteractive: boolean
  /** How large that person's terminal is now, in columns and rows. */
  noteSize(): { readonly columns: number; readonly rows: number }
  /** Whether a person types what is read. */
  readonly inputInteractive: boolean
  /** Lines as they are typed or piped in, until the input ends. `prompt` is asked before each that a person types. */
  readLines(prompt: () => string): AsyncIterable<string>
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
    noteSize: () => ({
      columns: process.stderr.columns || commonSize.columns,
      rows: process.stderr.rows || commonSize.rows,
    }),
    inputInteractive: process.stdin.isTTY === true,
    readLines,
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

async function* readLines(prompt: () => string): AsyncGenerator<string, void, void> {
  const isTyped = process.stdin.isTTY === true
  const output = isTyped ? { output: process.stdout, terminal: true, historySize: maxRemembered } : {}
  const lines = createInterface({ input: process.stdin, ...output })
  // In a terminal the keys reach readline, which would end the input at Ctrl-C.
  lines.on('SIGINT', () => process.emit('SIGINT'))
  const ask = () => {
    if (!isTyped) return
    lines.setPrompt(prompt())
    lines.prompt()
  }
  try {
    ask()
    for await (const line of lines) {
      yield line
      ask()
    }
  } finally {
    lines.close()
  }
}
