/** Seeded chance for simulations. */
import { type Draw, mulberry32 } from '../../src/engine/seeded-draw.ts'

export { type Draw, mulberry32 }

/** FNV-1a over UTF-16 units. */
export function hashOf(text: string, start = 0x811c9dc5): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** A chance of its own for each subsystem: one more draw in one does not shift the others. */
export const forked = (seed: number, name: string): Draw => mulberry32(hashOf(name, seed ^ 0x811c9dc5))
