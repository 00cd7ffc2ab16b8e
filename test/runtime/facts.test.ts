import { describe, expect, it } from 'vitest'
import { here } from '../../src/runtime/here.ts'
import { setup } from '../../src/runtime/logic.ts'
import { factsOf, node, order, puppet, restartMs, simulated, supervisor } from './kit.ts'

const light = setup({
  actions: {
    boom: () => {
      throw new Error('boom')
    },
  },
}).createMachine({
  initial: 'off',
  states: {
    off: { on: { press: 'on' } },
    on: { initial: 'dim', states: { dim: { on: { press: 'bright' } }, bright: {} } },
  },
  on: { boom: { actions: 'boom' } },
})

describe('facts', () => {
  it('tell of each start, each handled message with its cost and what waits, and each exit', async () => {
    const { world, runtime } = simulated()
    const facts = factsOf(runtime, 'started', 'handled', 'exited')
    const ref = runtime.spawn(puppet('a').spec)
    runtime.tell(ref, { type: 'one' })
    runtime.tell(ref, { type: 'finish' })
    await world.run(1)
    expect(facts).toMatchObject([
      { kind: 'started', ref, restarts: 0 },
      { kind: 'handled', ref, message: { type: 'one' }, tookMs: 0, waiting: 1 },
      { kind: 'exited', ref, exit: { kind: 'normal', output: 42 } },
      { kind: 'handled', ref, message: { type: 'finish' }, waiting: 0 },
    ])
  })

  it('are not reported any more once the observer has left', async () => {
    const { runtime } = simulated()
    const seen: string[] = []
    const leave = runtime.facts.observe(['started'], ({ ref }) => seen.push(ref))
    runtime.spawn(puppet('a').spec)
    leave()
    runtime.spawn(puppet('b').spec)
    expect(seen).toEqual([`${node}/a`])
    expect(runtime.facts.wants('started')).toBe(false)
  })

  it('do not reach the actor when an observer throws: the error goes to the world', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    runtime.facts.observe(['handled'], () => {
      throw new Error('bad observer')
    })
    const ref = runtime.spawn(spec)
    runtime.tell(ref, { type: 'one' })
    await expect(world.run(1)).rejects.toThrow('bad observer')
    expect(heard).toHaveLength(1)
    expect(runtime.has(ref)).toBe(true)
  })

  it('tell of transitions while somebody observes them', async () => {
    const { world, runtime } = simulated()
    const transitions = factsOf(runtime, 'transitioned')
    const ref = runtime.spawn({ id: 'a', logic: light })
    for (const type of ['press', 'press', 'unknown']) runtime.tell(ref, { type })
    await world.run(1)
    expect(transitions.map(({ from, to, event }) => [from, to, event])).toEqual([
      ['off', 'on.dim', 'press'],
      ['on.dim', 'on.bright', 'press'],
    ])
  })
})

describe('following an actor', () => {
  it('shows its transitions over restarts until the follower leaves', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn({ id: 'a', logic: light }, runtime.spawn(supervisor('top')))
    const seen: string[] = []
    const leave = runtime.follow(ref, (from, to, event) => seen.push(`${from} ${event} ${to}`))
    for (const type of ['press', 'boom', 'press']) runtime.tell(ref, { type })
    await world.run(restartMs)
    expect(seen).toEqual(['off press on.dim', 'off press on.dim'])
    leave()
    runtime.tell(ref, { type: 'press' })
    await world.run(1)
    expect(seen).toHaveLength(2)
  })

  it('does it no harm when the follower throws', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn({ id: 'a', logic: light })
    runtime.follow(ref, () => {
      throw new Error('bad follower')
    })
    runtime.tell(ref, { type: 'press' })
    await expect(world.run(1)).rejects.toThrow('bad follower')
    expect(runtime.census()).toMatchObject([{ path: 'a', state: 'on.dim', restarts: 0 }])
  })

  it('is refused by name when there is no such actor', () => {
    const { runtime } = simulated()
    expect(() => runtime.follow(`${node}/nobody`, () => {})).toThrow('there is no actor nobody on n1')
  })
})

describe('the census', () => {
  it('shows every actor, parents before children, with state, mailbox, restarts and last exit', async () => {
    const { world, runtime } = simulated()
    const top = runtime.spawn(supervisor('top', { children: [{ id: 'a', logic: light }, puppet('b').spec] }))
    runtime.tell(`${top}/a`, { type: 'press' })
    runtime.tell(`${top}/b`, { type: 'die' })
    await world.run(1)
    runtime.tell(`${top}/b`, { type: 'waiting' })
    expect(runtime.census()).toMatchObject([
      { path: 'top', state: 'running', waiting: 0, restarts: 0, lastExit: null },
      { path: 'top/a', state: 'on.dim', waiting: 0, restarts: 0, lastExit: null },
      { path: 'top/b', state: 'waiting', waiting: 1, restarts: 0, lastExit: 'crash: died as told' },
    ])
  })
})

describe('an actor’s door', () => {
  it('names the actor, its node and its neighbours, and gives time, chance and numbers of this node', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn(puppet('a').spec)
    const seen: unknown[] = []
    order(runtime, ref, (door) => {
      seen.push(door.self, door.node, door.local('b/c'), door.monotonicMs(), door.wallMs() - world.wallMs())
      const first = door.nextId()
      seen.push(door.random() < 1, door.nextId() > first)
    })
    await world.run(1)
    expect(seen).toEqual([ref, node, `${node}/b/c`, 0.1, 0, true, true])
  })

  it('does not open outside an actor', () => {
    expect(() => here({})).toThrow('here() was called outside an actor')
  })
})
