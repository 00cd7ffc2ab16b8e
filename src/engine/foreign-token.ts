/** Token ids that somebody sends: those of another model stand for nothing here, and end the process that looks them up. */

/**
 * @param vocabularyTokens how many tokens the model has; 0: nobody knows
 * @returns what is wrong with a `context`, or undefined
 */
export function foreignToken(
  context: readonly number[],
  { model, vocabularyTokens }: { readonly model: string; readonly vocabularyTokens: number },
): string | undefined {
  if (vocabularyTokens === 0) return undefined
  const foreign = context.find((token) => token >= vocabularyTokens)
  if (foreign === undefined) return undefined
  return `invalid context: there is no token ${foreign} in ${model}, whose last is ${vocabularyTokens - 1}; send a context that this model answered`
}
