/** A test of the test: what is planted is found, by the checker that is there for it, within few seeds. */
import { describe, expect, it } from 'vitest'
import { allCheckers } from './checkers/all.ts'
import { plantedBugs } from './planted.ts'
import { scriptOf } from './shrink.ts'
import { simulate } from './simulate.ts'

const maxSeeds = 200

describe('the simulation', () => {
  it.each(plantedBugs)(
    'finds $name ($checker)',
    { timeout: 60_000 },
    async ({ checker, sabotage, seed: first = 1 }) => {
      const checkers = allCheckers.filter(({ name }) => name === checker)
      for (let seed = first; seed < first + maxSeeds; seed++) {
        const { violations } = await simulate({ seed, script: scriptOf(seed), sabotage, checkers })
        if (violations.some((violation) => violation.checker === checker)) return
      }
      expect.unreachable(`${maxSeeds} seeds, and the ${checker} checker has found nothing`)
    },
  )
})
