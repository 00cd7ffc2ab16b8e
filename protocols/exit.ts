/** How an actor ended, in a form that may cross a link: no Error objects, no stacks from other hosts. */

/** An error as data. `stack` stays on the node where it was raised. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

/** It finished, was told to stop, threw, or sits on a node that nobody can reach; `absent`: there was no such actor. */
export type Exit =
  | { readonly kind: 'normal'; readonly output?: unknown }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'crash'; readonly failure: Failure }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'absent' }

/** Turns whatever was thrown into data. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Error) {
    return { name: error.name, message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) }
  }
  return { name: 'Error', message: typeof error === 'string' ? error : `threw ${String(error)}` }
}

/** In words, for people: `normal`, `crash: boom`. */
export const exitText = (exit: Exit): string =>
  exit.kind === 'crash' ? `${exit.kind}: ${exit.failure.message}` : exit.kind
