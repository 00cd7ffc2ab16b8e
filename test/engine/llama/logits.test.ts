import { describe, expect, it } from 'vitest'
import { sampleToken } from '../../../src/engine/llama/logits.ts'
import { resolveOptions } from '../../../src/engine/options.ts'

/** Tokens 0, 1, 2, … with these probabilities. */
const logitsOf = (...shares: number[]) => new Map(shares.map((share, token) => [token, Math.log(share)]))
/** Every token that can be drawn. */
function drawable(shares: number[], options: Record<string, unknown>): number[] {
  const sampling = resolveOptions({ temperature: 1, top_k: 0, top_p: 1 }, options)
  const draws = Array.from({ length: 1000 }, (_, at) => at / 1000)
  const found = draws.map((draw) => sampleToken(logitsOf(...shares), sampling, [], () => draw))
  return [...new Set(found)].sort()
}

describe('typical p', () => {
  it('keeps first what is about as surprising as one expects, and not the likeliest', () => {
    // Entropy 0.88: the surprises are 0.36, 1.61, 2.3.
    expect(drawable([0.7, 0.2, 0.1], { typical_p: 0.5 })).toEqual([0])
    // Entropy 1.36: the surprises are 0.69, 2.08, 2.08, 2.08, 2.08; all of the many are nearer than the one.
    expect(drawable([0.4, 0.15, 0.15, 0.15, 0.15], { typical_p: 0.3 })).toEqual([1, 2, 3])
  })

  it('keeps all at 1, and one at the least', () => {
    expect(drawable([0.7, 0.2, 0.1], { typical_p: 1 })).toEqual([0, 1, 2])
    expect(drawable([0.7, 0.2, 0.1], { typical_p: 0 })).toHaveLength(1)
  })

  it('comes after top k and before top p and min p, at temperature 0 as well', () => {
    expect(drawable([0.4, 0.15, 0.15, 0.15, 0.15], { typical_p: 0.9, top_k: 1 })).toEqual([0])
    expect(drawable([0.4, 0.15, 0.15, 0.15, 0.15], { typical_p: 0.3, min_p: 1 })).toEqual([1, 2, 3])
    expect(drawable([0.4, 0.15, 0.15, 0.15, 0.15], { typical_p: 0.3, temperature: 0 })).toEqual([1])
  })
})

describe('at temperature 0', () => {
  it('the first of equally likely tokens is taken, as by llama.cpp, in whatever order they come', () => {
    const sampling = resolveOptions({ temperature: 0 }, {})
    const equal = [
      [9, 1],
      [4, 1],
      [7, 1],
      [2, 0.5],
    ] as const
    expect(sampleToken(new Map(equal), sampling, [], () => 0)).toBe(4)
  })
})
