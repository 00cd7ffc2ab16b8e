/** How many bytes a GGUF tensor takes, so that a file that was cut short is known before anything maps it. */
import { GGMLQuantizationType as T } from '@huggingface/gguf'

/** Elements per block and bytes per block of ggml's types. */
const blocks: Readonly<Record<number, readonly [elements: number, bytes: number]>> = {
  [T.F32]: [1, 4],
  [T.F16]: [1, 2],
  [T.BF16]: [1, 2],
  [T.F64]: [1, 8],
  [T.I8]: [1, 1],
  [T.I16]: [1, 2],
  [T.I32]: [1, 4],
  [T.I64]: [1, 8],
  [T.Q4_0]: [32, 18],
  [T.Q4_1]: [32, 20],
  [T.Q5_0]: [32, 22],
  [T.Q5_1]: [32, 24],
  [T.Q8_0]: [32, 34],
  [T.Q8_1]: [32, 36],
  [T.Q2_K]: [256, 84],
  [T.Q3_K]: [256, 110],
  [T.Q4_K]: [256, 144],
  [T.Q5_K]: [256, 176],
  [T.Q6_K]: [256, 210],
  [T.Q8_K]: [256, 292],
  [T.IQ1_S]: [256, 50],
  [T.IQ1_M]: [256, 56],
  [T.IQ2_XXS]: [256, 66],
  [T.IQ2_XS]: [256, 74],
  [T.IQ2_S]: [256, 82],
  [T.IQ3_XXS]: [256, 98],
  [T.IQ3_S]: [256, 110],
  [T.IQ4_NL]: [32, 18],
  [T.IQ4_XS]: [256, 136],
  [T.TQ1_0]: [256, 54],
  [T.TQ2_0]: [256, 66],
  [T.MXFP4]: [32, 17],
}

/** Bytes of a tensor's data; 0 for a type that is newer than this table, which then only bounds where it starts. */
export function tensorBytes(shape: readonly bigint[], type: number): number {
  const block = blocks[type]
  if (block === undefined) return 0
  const elements = shape.reduce((product, size) => product * Number(size), 1)
  return Math.ceil(elements / block[0]) * block[1]
}
