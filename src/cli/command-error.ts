/** Thrown for what a person can put right; the message is one sentence or two with the next step, and the exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
