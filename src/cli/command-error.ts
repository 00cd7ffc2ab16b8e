/** What a command fails with. */

/** Thrown for what a person can put right; the message is a sentence or two with the next step. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError'
  /** Of the process. */
  readonly exitCode: number

  constructor(message: string, { exitCode = 1, ...options }: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** Thrown when a node refuses a request, in the node's words. */
export class Refusal extends CommandError {
  override readonly name = 'Refusal'
  /** HTTP's. */
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }

  /** Whether the cluster does not hold the model that it was asked about. */
  static isOfUnknownModel(error: unknown): boolean {
    return error instanceof Refusal && error.status === 404
  }
}
