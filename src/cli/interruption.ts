/** Work that a signal ends early, with the exit code that shells know. */
import { constants } from 'node:os'
import { CommandError } from './command-error.ts'
import type { Terminal } from './terminal.ts'

/** A shell's exit code for a process that a signal ended is 128 and the signal's number. */
const signalExitBase = 128

export function exitCodeOf(signal: NodeJS.Signals): number {
  return signalExitBase + constants.signals[signal]
}

/** Runs work until a signal; then it is aborted with a CommandError that says `words`. */
export async function interruptible<Result>(
  terminal: Terminal,
  words: string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const forget = terminal.onSignal((signal) => {
    controller.abort(new CommandError(words, { exitCode: exitCodeOf(signal) }))
  })
  try {
    return await work(controller.signal)
  } finally {
    forget()
  }
}
