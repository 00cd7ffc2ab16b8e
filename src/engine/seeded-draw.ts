/** Chance from a seed. */

/** Uniform in [0, 1). */
export type Draw = () => number

/** Mulberry32: 32 bits of state; the same numbers for the same seed on every machine. */
export function mulberry32(seed: number): Draw {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
