/** Thrown when a conversation cannot be rendered: `template` when the template itself is at fault. */
export class PromptError extends Error {
  override readonly name = 'PromptError'
  readonly fault: 'template' | 'conversation'

  constructor(fault: PromptError['fault'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
