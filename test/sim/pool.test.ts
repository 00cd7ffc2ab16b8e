import { describe, expect, it } from 'vitest'
import { runSeeds } from './pool.ts'

const dyingChild = new URL('dying-child.ts', import.meta.url)

/** The seeds whose runs came back. */
async function run(seeds: readonly number[], goesOn: (seed: number) => boolean, child?: URL): Promise<number[]> {
  const came: number[] = []
  await runSeeds(
    seeds,
    () => {},
    ({ seed }) => {
      came.push(seed)
      return goesOn(seed)
    },
    child,
  )
  return came.sort((a, b) => a - b)
}

describe('seeds over all cores', () => {
  it('come back each once', async () => {
    const seeds = Array.from({ length: 40 }, (_, index) => index + 10)
    expect(await run(seeds, () => true, dyingChild)).toEqual(seeds)
  })

  it('go no further when somebody has seen enough', async () => {
    const seeds = Array.from({ length: 1000 }, (_, index) => index + 10)
    expect((await run(seeds, (seed) => seed !== 12, dyingChild)).length).toBeLessThan(100)
  })

  it('name the one at which a process died', async () => {
    await expect(run([1, 2, 3, 4, 5, 6], () => true, dyingChild)).rejects.toThrow(
      'a simulating process ended with 7 at seed 5',
    )
  })

  it('have the same history in whichever process they run', async () => {
    const hashes = new Map<number, Set<string>>()
    const seeds = [3, 4, 3, 4, 5, 3, 4, 3, 4, 3, 3, 4]
    await runSeeds(
      seeds,
      () => {},
      ({ seed, hash }) => hashes.set(seed, (hashes.get(seed) ?? new Set()).add(hash)) !== undefined,
    )
    expect([...hashes.values()].map(({ size }) => size)).toEqual([1, 1, 1])
  })
})
