import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Channel } from '../../src/runtime/channel.ts'

/** Takes everything until the channel ends. */
async function drained<T>(channel: Channel<T>): Promise<T[]> {
  const taken: T[] = []
  for await (const batch of channel) taken.push(...batch)
  return taken
}

describe('a channel', () => {
  it('hands over what waits as one batch', async () => {
    const channel = new Channel<number>({ highWater: 10 })
    for (const item of [1, 2, 3]) channel.push(item)
    const reader = channel[Symbol.asyncIterator]()
    expect(await reader.next()).toEqual({ done: false, value: [1, 2, 3] })
    const next = reader.next()
    channel.push(4)
    expect(await next).toEqual({ done: false, value: [4] })
  })

  it('tells the producer to stop at the mark, takes the item all the same, and says once when it may go on', async () => {
    let drains = 0
    const channel = new Channel<number>({ highWater: 2, onDrain: () => drains++ })
    expect([1, 2, 3].map((item) => channel.push(item))).toEqual([true, false, false])
    const reader = channel[Symbol.asyncIterator]()
    expect(drains).toBe(0)
    expect((await reader.next()).value).toEqual([1, 2, 3])
    expect(drains).toBe(1)
    channel.push(4)
    await reader.next()
    expect(drains).toBe(1)
  })

  it('delivers what waits after the end, then ends', async () => {
    const channel = new Channel<number>({ highWater: 10 })
    channel.push(1)
    channel.end()
    expect(channel.push(2)).toBe(false)
    expect(await drained(channel)).toEqual([1])
  })

  it('ends a consumer that waits', async () => {
    const channel = new Channel<number>({ highWater: 10 })
    const all = drained(channel)
    channel.end()
    expect(await all).toEqual([])
  })

  it('tells the producer once when the consumer leaves, and drops the rest', async () => {
    let cancels = 0
    const channel = new Channel<number>({ highWater: 10, onCancel: () => cancels++ })
    channel.push(1)
    for await (const batch of channel) {
      expect(batch).toEqual([1])
      channel.push(2)
      break
    }
    channel.cancel()
    expect(cancels).toBe(1)
    expect(channel.closed).toBe(true)
    expect(channel.push(3)).toBe(false)
    expect(channel.waiting).toBe(0)
    expect(await drained(channel)).toEqual([])
  })

  it('does not speak of a cancel after the end', async () => {
    let cancels = 0
    const channel = new Channel<number>({ highWater: 10, onCancel: () => cancels++ })
    channel.push(1)
    channel.end()
    channel.cancel()
    channel.cancel()
    expect(cancels).toBe(0)
    expect(await drained(channel)).toEqual([])
  })

  it('ends a consumer that waits when it is cancelled from elsewhere', async () => {
    const channel = new Channel<number>({ highWater: 10 })
    const all = drained(channel)
    await Promise.resolve()
    channel.cancel()
    expect(await all).toEqual([])
  })

  it('lets a producer go on from inside its drain', async () => {
    let left = 5
    const channel: Channel<number> = new Channel({
      highWater: 1,
      onDrain: () => (left > 0 ? channel.push(left--) : channel.end()),
    })
    channel.push(left--)
    expect(await drained(channel)).toEqual([5, 4, 3, 2, 1])
  })

  it('loses nothing and repeats nothing, and its mark bounds a producer that obeys, whatever the pace', async () => {
    const paces = fc.record({
      items: fc.nat(200),
      highWater: fc.integer({ min: 1, max: 16 }),
      /** How many microtasks the consumer rests between batches. */
      rests: fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }),
    })
    await fc.assert(
      fc.asyncProperty(paces, async ({ items, highWater, rests }) => {
        let next = 0
        const produce = (): void => {
          while (next < items) if (!channel.push(next++)) return
          channel.end()
        }
        const channel = new Channel<number>({ highWater, onDrain: produce })
        produce()
        const taken: number[] = []
        let batches = 0
        for await (const batch of channel) {
          expect(batch.length).toBeLessThanOrEqual(highWater)
          taken.push(...batch)
          for (let rest = rests[batches++ % rests.length] as number; rest > 0; rest--) await Promise.resolve()
        }
        expect(taken).toEqual(Array.from({ length: items }, (_, i) => i))
      }),
    )
  })
})
