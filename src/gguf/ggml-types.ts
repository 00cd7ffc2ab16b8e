/** ggml's numbers for how weights are kept: names for people, sizes to know whether a file was cut short. */

/** Tensor types: name, elements per block, bytes per block. */
const tensorTypes: Readonly<Record<number, readonly [name: string, elements: number, bytes: number]>> = {
  0: ['F32', 1, 4],
  1: ['F16', 1, 2],
  2: ['Q4_0', 32, 18],
  3: ['Q4_1', 32, 20],
  6: ['Q5_0', 32, 22],
  7: ['Q5_1', 32, 24],
  8: ['Q8_0', 32, 34],
  9: ['Q8_1', 32, 36],
  10: ['Q2_K', 256, 84],
  11: ['Q3_K', 256, 110],
  12: ['Q4_K', 256, 144],
  13: ['Q5_K', 256, 176],
  14: ['Q6_K', 256, 210],
  15: ['Q8_K', 256, 292],
  16: ['IQ2_XXS', 256, 66],
  17: ['IQ2_XS', 256, 74],
  18: ['IQ3_XXS', 256, 98],
  19: ['IQ1_S', 256, 50],
  20: ['IQ4_NL', 32, 18],
  21: ['IQ3_S', 256, 110],
  22: ['IQ2_S', 256, 82],
  23: ['IQ4_XS', 256, 136],
  24: ['I8', 1, 1],
  25: ['I16', 1, 2],
  26: ['I32', 1, 4],
  27: ['I64', 1, 8],
  28: ['F64', 1, 8],
  29: ['IQ1_M', 256, 56],
  30: ['BF16', 1, 2],
  34: ['TQ1_0', 256, 54],
  35: ['TQ2_0', 256, 66],
  39: ['MXFP4', 32, 17],
}

/** `general.file_type`: what most of the weights are kept as, by its common name. Gaps are types that were withdrawn. */
const fileTypes: readonly (string | undefined)[] = [
  ...['F32', 'F16', 'Q4_0', 'Q4_1', undefined, undefined, undefined, 'Q8_0', 'Q5_0', 'Q5_1'],
  ...['Q2_K', 'Q3_K_S', 'Q3_K_M', 'Q3_K_L', 'Q4_K_S', 'Q4_K_M', 'Q5_K_S', 'Q5_K_M', 'Q6_K', 'IQ2_XXS'],
  ...['IQ2_XS', 'Q2_K_S', 'IQ3_XS', 'IQ3_XXS', 'IQ1_S', 'IQ4_NL', 'IQ3_S', 'IQ3_M', 'IQ2_S', 'IQ2_M'],
  ...['IQ4_XS', 'IQ1_M', 'BF16', undefined, undefined, undefined, 'TQ1_0', 'TQ2_0', 'MXFP4'],
]

/** Added by llama.cpp to a file type that it guessed from the tensors. */
const guessedFlag = 1024

/** A tensor type's name; a newer one by its number. */
export function tensorTypeName(type: number): string {
  return tensorTypes[type]?.[0] ?? `type ${type}`
}

/** Bytes of a tensor's data; 0 for a type that is newer than this table, which then only bounds where it starts. */
export function tensorBytes(type: number, elements: number): number {
  const [, perBlock, blockBytes] = tensorTypes[type] ?? ['', 1, 0]
  return Math.ceil(elements / perBlock) * blockBytes
}

/** The quantization level that a file type means; `unknown` where it has no name. */
export function quantizationName(fileType: unknown): string {
  return typeof fileType === 'number' ? (fileTypes[fileType & ~guessedFlag] ?? 'unknown') : 'unknown'
}
