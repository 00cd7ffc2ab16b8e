import fc from 'fast-check'
import { expect, it } from 'vitest'
import { afterCheck, type Fitness, unchecked } from '../../actors/fitness.ts'

const after = (checks: readonly boolean[], start = unchecked): Fitness => checks.reduce(afterCheck, start)

/** Successes in a row until it is fit again. */
function successesWanted(fitness: Fitness): number {
  let count = 0
  for (let now = fitness; !now.fit; count++) now = afterCheck(now, true)
  return count
}

it('one failure makes unfit, one success fit again', () => {
  expect(unchecked.fit).toBe(true)
  expect(after([false]).fit).toBe(false)
  expect(after([false, true]).fit).toBe(true)
})

it('whoever flaps needs more and more successes in a row, eight at most', () => {
  let fitness = unchecked
  const wanted: number[] = []
  for (let flap = 0; flap < 6; flap++) {
    fitness = afterCheck(fitness, false)
    wanted.push(successesWanted(fitness))
    while (!fitness.fit) fitness = afterCheck(fitness, true)
  }
  expect(wanted).toEqual([1, 2, 4, 8, 8, 8])
})

it('a long time without a failure makes up for it', () => {
  const flapped = after([false, true, false, true, true])
  expect(successesWanted(after([...Array(20).fill(true), false], flapped))).toBe(1)
})

it('whatever happened, the last check failed means unfit, and eight successes in a row mean fit', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean()), (checks) => {
      expect(after([...checks, false]).fit).toBe(false)
      expect(after([...checks, ...Array(8).fill(true)]).fit).toBe(true)
    }),
  )
})
