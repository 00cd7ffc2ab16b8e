import { describe, expect, it } from 'vitest'
import type { Ref } from '../../protocols/ref.ts'
import { here } from '../../src/runtime/here.ts'
import { fromTransition } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { node, puppet, simulated, types } from './kit.ts'

/** Sends every ball back. */
const player = (other: Ref, onBall: () => void) =>
  fromTransition((state: null, event: { type: string }, { system }) => {
    if (event.type === 'ball') {
      onBall()
      here(system).tell(other, event)
    }
    return state
  }, null)

/** Two actors that volley for ever. */
function volley(runtime: Runtime): { readonly balls: () => number } {
  let balls = 0
  const count = (): void => {
    balls++
  }
  runtime.spawn({ id: 'x', logic: player(`${node}/y`, count) })
  runtime.spawn({ id: 'y', logic: player(`${node}/x`, count) })
  runtime.tell(`${node}/x`, { type: 'ball' })
  return { balls: () => balls }
}

describe('two actors that volley for ever', () => {
  it('starve neither timers nor other actors of a simulated world', async () => {
    const { world, runtime } = simulated()
    const { balls } = volley(runtime)
    const { heard, spec } = puppet('other')
    const other = runtime.spawn(spec)
    let rang = false
    world.setTimeout(() => {
      rang = true
      runtime.tell(other, { type: 'hello' })
    }, 2)
    await world.run(3)
    expect(rang).toBe(true)
    expect(types(heard)).toEqual(['hello'])
    expect(balls()).toBeGreaterThan(1000)
  })

  it('starve neither timers nor other actors of a real process', async () => {
    const runtime = new Runtime(node)
    const { balls } = volley(runtime)
    const { heard, spec } = puppet('other')
    const other = runtime.spawn(spec)
    // However busy the machine is, these come; what starves never does.
    for (let ticks = 0; ticks < 10 || balls() <= 1000; ticks++) await new Promise((resolve) => setTimeout(resolve, 1))
    await expect(runtime.ask(other, { type: 'question', of: 1 }, 1000)).resolves.toMatchObject({ of: 1 })
    await Promise.all(['x', 'y'].map((id) => runtime.stop(`${node}/${id}`)))
    expect(types(heard)).toEqual(['question'])
  })
})

describe('an actor with a long queue', () => {
  it('gives others their turn before its queue is empty', async () => {
    const { world, runtime } = simulated()
    world.pick = () => 0
    const order: string[] = []
    runtime.facts.observe(['handled'], ({ ref }) => order.push(ref))
    const busy = runtime.spawn(puppet('busy').spec)
    const other = runtime.spawn(puppet('other').spec)
    for (let i = 0; i < 500; i++) runtime.tell(busy, { type: 'work' })
    runtime.tell(other, { type: 'hello' })
    await world.run(1)
    expect(order).toHaveLength(501)
    expect(order.indexOf(other)).toBeLessThan(100)
  })

  it('handles all of it, however long a chain of actors passes it on', async () => {
    const { world, runtime } = simulated()
    const length = 5000
    let arrived = false
    for (let i = 0; i < length; i++) {
      const last = i === length - 1
      const next = `${node}/link-${i + 1}`
      const logic = player(next, () => {
        arrived ||= last
      })
      runtime.spawn({ id: `link-${i}`, logic })
    }
    runtime.tell(`${node}/link-0`, { type: 'ball' })
    await world.run(10)
    expect(arrived).toBe(true)
  })
})
