/** Names of models as they are typed, and those that nobody knows. */
import { displayName, parseModelName } from '../../protocols/model-name.ts'
import { CommandError, Refusal } from './command-error.ts'

/** The name as lists show it. Throws a CommandError, with a hint, for a text that cannot be a name. */
export function readModelName(text: string, hint = ''): string {
  const name = parseModelName(text)
  if (name !== undefined) return displayName(name)
  throw new CommandError(`${JSON.stringify(text)} is not a model name: expected [host/][namespace/]model[:tag].${hint}`)
}

/** Where to look for the right name. */
export const unknownModelNext = 'See what there is: omx-node models'

/** Rethrows; a refusal because the cluster does not hold the model, with what to do. */
export function unknownModel(error: unknown, next = unknownModelNext): never {
  if (!Refusal.isOfUnknownModel(error)) throw error
  throw new CommandError(`${(error as Error).message}. ${next}`, { cause: error })
}
