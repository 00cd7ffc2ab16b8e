import { describe, expect, it } from 'vitest'
import { assign, fromCallback, fromPromise, setup } from '../../src/runtime/logic.ts'
import { factsOf, lifeLog, node, order, puppet, restartMs, simulated, supervisor, types } from './kit.ts'

describe('an actor', () => {
  it('handles what it is told, in order', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec)
    expect(ref).toBe(`${node}/a`)
    for (let n = 0; n < 200; n++) expect(runtime.tell(ref, { type: 'count', n })).toBe(true)
    await world.run(10)
    expect(heard.map((message) => message.n)).toEqual(Array.from({ length: 200 }, (_, n) => n))
  })

  it('keeps its address and its waiting messages over a crash, and begins a new incarnation', async () => {
    const { world, runtime } = simulated()
    const started = factsOf(runtime, 'started')
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec, runtime.spawn(supervisor('top')))
    for (const type of ['one', 'die', 'two', 'three']) runtime.tell(ref, { type })
    await world.run(restartMs)
    expect(types(heard)).toEqual(['one', 'die', 'two', 'three'])
    const [, first, second] = started
    expect(second).toMatchObject({ ref, restarts: 1 })
    expect(second?.epoch).toBeGreaterThan(first?.epoch as number)
  })

  it('does not hear the message again that it crashed on', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec, runtime.spawn(supervisor('top')))
    runtime.tell(ref, { type: 'die' })
    await world.run(restartMs)
    runtime.tell(ref, { type: 'after' })
    await world.run(1)
    expect(types(heard)).toEqual(['die', 'after'])
  })

  it('starts with fresh state after a crash', async () => {
    const counter = setup({
      types: { context: {} as { n: number } },
      actions: {
        boom: () => {
          throw new Error('boom')
        },
      },
    }).createMachine({
      context: { n: 0 },
      on: { add: { actions: assign({ n: ({ context }) => context.n + 1 }) }, boom: { actions: 'boom' } },
      initial: 'low',
      states: { low: { always: { guard: ({ context }) => context.n > 1, target: 'high' } }, high: {} },
    })
    const { world, runtime } = simulated()
    const ref = runtime.spawn({ id: 'a', logic: counter }, runtime.spawn(supervisor('top')))
    const state = () => runtime.census().find((actor) => actor.path === 'top/a')?.state
    for (const type of ['add', 'add']) runtime.tell(ref, { type })
    await world.run(1)
    expect(state()).toBe('high')
    runtime.tell(ref, { type: 'boom' })
    await world.run(restartMs)
    expect(state()).toBe('low')
  })

  it('takes messages between two incarnations and hands them to the next', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec, runtime.spawn(supervisor('top')))
    runtime.tell(ref, { type: 'die' })
    await world.run(5)
    expect(runtime.tell(ref, { type: 'meanwhile' })).toBe(true)
    expect(types(heard)).toEqual(['die'])
    await world.run(restartMs)
    expect(types(heard)).toEqual(['die', 'meanwhile'])
  })

  it('refuses messages beyond its capacity, and the dead letter says full', async () => {
    const { world, runtime } = simulated()
    const dead = factsOf(runtime, 'deadLetter')
    const { heard, spec } = puppet('a', { mailboxCapacity: 8 })
    const ref = runtime.spawn(spec)
    const told = Array.from({ length: 20 }, () => runtime.tell(ref, { type: 'x' }))
    expect(told.filter(Boolean)).toHaveLength(8)
    expect(dead).toEqual(Array.from({ length: 12 }, () => ({ kind: 'deadLetter', to: ref, type: 'x', why: 'full' })))
    await world.run(1)
    expect(heard).toHaveLength(8)
    expect(runtime.tell(ref, { type: 'x' })).toBe(true)
  })

  it('is not there: the message is refused, and the dead letter says absent', () => {
    const { runtime } = simulated()
    const dead = factsOf(runtime, 'deadLetter')
    expect(runtime.tell(`${node}/nobody`, { type: 'x' })).toBe(false)
    expect(dead).toEqual([{ kind: 'deadLetter', to: `${node}/nobody`, type: 'x', why: 'absent' }])
  })

  it('leaves what still waits as dead letters when its address ends', async () => {
    const { world, runtime } = simulated()
    const dead = factsOf(runtime, 'deadLetter')
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec)
    for (const type of ['finish', 'late', 'later']) runtime.tell(ref, { type })
    await world.run(1)
    expect(types(heard)).toEqual(['finish'])
    expect(dead.map(({ type, why }) => [type, why])).toEqual([
      ['late', 'absent'],
      ['later', 'absent'],
    ])
    expect(runtime.has(ref)).toBe(false)
  })

  it('drops a message whose deadline has passed, and the dead letter says expired', async () => {
    const { world, runtime } = simulated()
    const dead = factsOf(runtime, 'deadLetter')
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec, runtime.spawn(supervisor('top')))
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    runtime.tell(ref, { type: 'short' }, { deadlineMs: world.monotonicMs() + 2 })
    runtime.tell(ref, { type: 'long' }, { deadlineMs: world.monotonicMs() + 500 })
    await world.run(restartMs)
    expect(types(heard)).toEqual(['die', 'long'])
    expect(dead).toEqual([{ kind: 'deadLetter', to: ref, type: 'short', why: 'expired' }])
  })

  it('cannot take a name that is taken, empty, or not one step of a path', () => {
    const { runtime } = simulated()
    runtime.spawn(puppet('a').spec)
    expect(() => runtime.spawn(puppet('a').spec)).toThrow('n1/a is already running')
    for (const id of ['', 'a/b', '$ask']) expect(() => runtime.spawn(puppet(id).spec)).toThrow('must not be empty')
    expect(() => runtime.spawn(puppet('b').spec, `${node}/nobody`)).toThrow('n1/nobody is not running')
  })

  it('starts the children that its spec declares after itself, and again with it', async () => {
    const { world, runtime } = simulated()
    const log = lifeLog(runtime)
    const top = runtime.spawn(supervisor('top'))
    runtime.spawn({ ...puppet('a').spec, children: [puppet('b').spec, puppet('c').spec] }, top)
    expect(log).toEqual(['+top', '+top/a', '+top/a/b', '+top/a/c'])
    log.length = 0
    runtime.tell(`${top}/a`, { type: 'die' })
    await world.run(restartMs)
    expect(log).toEqual(['-top/a', '-top/a/c', '-top/a/b', '+top/a', '+top/a/b', '+top/a/c'])
  })

  it('may start others under itself and under another supervisor of its node', async () => {
    const { world, runtime } = simulated()
    const workers = runtime.spawn(supervisor('workers'))
    const manager = runtime.spawn(puppet('manager').spec)
    order(runtime, manager, (door) => {
      door.spawn(puppet('mine').spec)
      door.spawn(puppet('theirs').spec, workers)
    })
    await world.run(1)
    expect(runtime.census().map((actor) => actor.path)).toEqual([
      'workers',
      'workers/theirs',
      'manager',
      'manager/mine',
    ])
  })
})

describe('what goes wrong inside an actor', () => {
  /** Counts the helpers that run. */
  const helpers = () => {
    let alive = 0
    const logic = fromCallback(() => {
      alive++
      return () => {
        alive--
      }
    })
    return { logic, alive: () => alive }
  }

  it('stays in its cell when an invoked child throws, and leaves no orphan', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const helper = helpers()
    const failing = fromPromise(async () => {
      await Promise.resolve()
      throw new Error('rejected')
    })
    const machine = setup({ actors: { helper: helper.logic, failing } }).createMachine({
      invoke: [{ src: 'helper' }, { src: 'failing' }],
    })
    const bystander = puppet('bystander')
    runtime.spawn(bystander.spec)
    const ref = runtime.spawn({ id: 'a', logic: machine, restart: 'temporary' })
    expect(helper.alive()).toBe(1)
    await world.run(1)
    expect(exited).toMatchObject([{ ref, exit: { kind: 'crash', failure: { message: 'rejected' } } }])
    expect(helper.alive()).toBe(0)
    expect(runtime.tell(`${node}/bystander`, { type: 'still there' })).toBe(true)
  })

  it('leaves no invoked actor running when an action of its own throws', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const helper = helpers()
    const machine = setup({
      actors: { helper: helper.logic },
      actions: {
        boom: () => {
          throw new Error('boom')
        },
      },
    }).createMachine({ invoke: { src: 'helper' }, on: { boom: { actions: 'boom' } } })
    const ref = runtime.spawn({ id: 'a', logic: machine, restart: 'temporary' })
    runtime.tell(ref, { type: 'boom' })
    await world.run(1)
    expect(exited).toMatchObject([{ ref, exit: { kind: 'crash', failure: { message: 'boom' } } }])
    expect(helper.alive()).toBe(0)
  })

  it('runs no timer of an incarnation that ended', async () => {
    const { world, runtime } = simulated()
    let rang = 0
    const machine = setup({
      actions: {
        ring: () => {
          rang++
        },
        boom: () => {
          throw new Error('boom')
        },
      },
    }).createMachine({
      initial: 'waiting',
      states: { waiting: { after: { 50: { actions: 'ring' } }, on: { boom: { actions: 'boom' } } } },
    })
    const ref = runtime.spawn({ id: 'a', logic: machine, restart: 'temporary' })
    runtime.tell(ref, { type: 'boom' })
    await world.run(200)
    expect(rang).toBe(0)
  })

  it('is a crash like any other when it happens while the actor starts', async () => {
    const { world, runtime } = simulated()
    const started = factsOf(runtime, 'started')
    let starts = 0
    const machine = setup({
      actions: {
        stumble: () => {
          if (++starts < 3) throw new Error('not yet')
        },
      },
    }).createMachine({ entry: 'stumble' })
    const ref = runtime.spawn({ id: 'a', logic: machine }, runtime.spawn(supervisor('top')))
    await world.run(restartMs)
    expect(started.filter((fact) => fact.ref === ref).map((fact) => fact.restarts)).toEqual([0, 1, 2])
    expect(runtime.census()).toMatchObject([
      { path: 'top' },
      { path: 'top/a', restarts: 2, lastExit: 'crash: not yet' },
    ])
  })
})
