import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Heap } from './heap.ts'
import { SimulatedWorld } from './world.ts'

describe('the simulated world', () => {
  it('runs timers in order of time and, at one moment, in the order in which they were set', async () => {
    const world = new SimulatedWorld(1)
    const log: string[] = []
    world.setTimeout(() => log.push(`late ${world.monotonicMs()}`), 20)
    world.setTimeout(() => log.push(`first ${world.monotonicMs()}`), 10)
    world.setTimeout(() => log.push(`second ${world.monotonicMs()}`), 10)
    await world.run(15)
    expect(log).toEqual(['first 10', 'second 10'])
    await world.run(5)
    expect(log).toEqual(['first 10', 'second 10', 'late 20'])
  })

  it('does not run a timer that was cleared', async () => {
    const world = new SimulatedWorld(1)
    let ran = false
    world.clearTimeout(
      world.setTimeout(() => {
        ran = true
      }, 1),
    )
    await world.run(10)
    expect(ran).toBe(false)
  })

  it('resolves promises that await each other a thousand deep before the next event', async () => {
    const world = new SimulatedWorld(1)
    const deep = async (levels: number): Promise<number> => (levels === 0 ? world.monotonicMs() : deep(levels - 1))
    let resolvedAtMs = -1
    world.setTimeout(() => {
      deep(1000).then((atMs) => {
        resolvedAtMs = atMs
      })
    }, 1)
    let seenByNext = -1
    world.setTimeout(() => {
      seenByNext = resolvedAtMs
    }, 1)
    await world.run(1)
    expect(seenByNext).toBe(1)
  })

  it('lets time pass while turns wake each other for ever', async () => {
    const world = new SimulatedWorld(1)
    let fired = false
    const turn = (): void => world.wake(turn)
    turn()
    world.setTimeout(() => {
      fired = true
    }, 5)
    await world.run(6)
    expect(fired).toBe(true)
  })

  it('draws the same chances, bytes and picks from the same seed and others from another', () => {
    const draws = (seed: number): unknown[] => {
      const world = new SimulatedWorld(seed)
      return [world.random(), world.pick(1000), [...world.bytes(4)]]
    }
    expect(draws(7)).toEqual(draws(7))
    expect(draws(7)).not.toEqual(draws(8))
  })

  it('keeps its events in a heap that pops in order whatever was pushed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (numbers) => {
        const heap = new Heap<number>((a, b) => a - b)
        for (const number of numbers) heap.push(number)
        expect(numbers.map(() => heap.pop())).toEqual([...numbers].sort((a, b) => a - b))
        expect(heap.pop()).toBeUndefined()
      }),
    )
  })
})
