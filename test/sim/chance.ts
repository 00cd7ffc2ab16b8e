/** Seeded chance for simulations. */

/** Uniform in [0, 1). */
export type Draw = () => number

/** Mulberry32: 32 bits of state, good enough to shuffle events, the same on every machine. */
export function mulberry32(seed: number): Draw {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** FNV-1a over UTF-16 units. */
export function hashOf(text: string, start = 0x811c9dc5): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** A chance of its own for each subsystem: one more draw in one does not shift the others. */
export const forked = (seed: number, name: string): Draw => mulberry32(hashOf(name, seed ^ 0x811c9dc5))
