/** Which free sequence a request takes. */

/**
 * How many more tokens of the prompt a later sequence must hold before it is preferred, in tokens. llama.cpp computes
 * neighbouring sequences in one go and a gap splits the batch, so a few shared tokens are not worth one.
 */
const minimumGainTokens = 16

/** How many leading tokens two lists share. */
export function commonPrefix(left: ArrayLike<number>, right: ArrayLike<number>): number {
  const end = Math.min(left.length, right.length)
  let length = 0
  while (length < end && left[length] === right[length]) length += 1
  return length
}

/**
 * The lowest free sequence, unless another one holds clearly more of the prompt.
 * @param free free sequence ids in ascending order with the length of the prompt's prefix that each holds, in tokens
 * @returns undefined when none is free
 */
export function chooseSlot(free: readonly { readonly id: number; readonly prefix: number }[]): number | undefined {
  let chosen = free[0]
  for (const candidate of free) {
    if (chosen !== undefined && candidate.prefix >= chosen.prefix + minimumGainTokens) chosen = candidate
  }
  return chosen?.id
}
