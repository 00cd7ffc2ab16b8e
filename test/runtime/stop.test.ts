import { describe, expect, it } from 'vitest'
import { setup } from '../../src/runtime/logic.ts'
import { factsOf, lifeLog, node, order, puppet, restartMs, simulated, supervisor, types } from './kit.ts'

/** Says when a promise has resolved. */
function done(promise: Promise<void>): { readonly done: boolean } {
  const state = { done: false }
  promise.then(() => {
    state.done = true
  })
  return state
}

describe('a stop', () => {
  it('ends what it finds at once when no time to end was given, without a shutdown message', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    const ref = runtime.spawn(spec)
    const stopped = done(runtime.stop(ref))
    await world.run(0)
    expect(stopped.done).toBe(true)
    expect(runtime.has(ref)).toBe(false)
    expect(heard).toEqual([])
  })

  it('ends a tree in reverse order of its start, each actor after those below it', async () => {
    const { world, runtime } = simulated()
    const a = supervisor('a', { children: [puppet('a1', { shutdownMs: 100 }).spec, puppet('a2').spec] })
    const top = runtime.spawn(
      supervisor('top', { children: [a, puppet('b', { shutdownMs: 100 }).spec, puppet('c').spec] }),
    )
    const log = lifeLog(runtime)
    const stopped = done(runtime.stop(top))
    await world.run(10)
    expect(log).toEqual(['-top/c', '-top/b', '-top/a/a2', '-top/a/a1', '-top/a', '-top'])
    expect(stopped.done).toBe(true)
    expect(runtime.census()).toEqual([])
  })

  it('first tells an actor with a time limit to shut down, before the messages that wait, and lets it end itself', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const { heard, spec } = puppet('a', { shutdownMs: 1000 })
    const ref = runtime.spawn(spec)
    runtime.tell(ref, { type: 'waiting' })
    const stopped = done(runtime.stop(ref))
    await world.run(1)
    expect(types(heard)).toEqual(['shutdown'])
    expect(stopped.done).toBe(true)
    expect(exited).toMatchObject([{ ref, exit: { kind: 'shutdown' } }])
  })

  it('ends an actor that ignores the message when its limit is over, and lets it work until then', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a', { shutdownMs: 1000, polite: false })
    const ref = runtime.spawn(spec)
    const stopped = done(runtime.stop(ref))
    await world.run(500)
    expect(runtime.tell(ref, { type: 'work' })).toBe(true)
    await world.run(499)
    expect(stopped.done).toBe(false)
    await world.run(2)
    expect(stopped.done).toBe(true)
    expect(types(heard)).toEqual(['shutdown', 'work'])
    expect(runtime.has(ref)).toBe(false)
  })

  it('is one stop for all who ask for it', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a', { shutdownMs: 1000, polite: false })
    const ref = runtime.spawn(spec)
    const first = runtime.stop(ref)
    await world.run(100)
    expect(runtime.stop(ref)).toBe(first)
    await world.run(1000)
    expect(types(heard)).toEqual(['shutdown'])
    await expect(first).resolves.toBeUndefined()
  })

  it('of an actor that is not there is done', async () => {
    const { runtime } = simulated()
    await expect(runtime.stop(`${node}/nobody`)).resolves.toBeUndefined()
  })

  it('restarts nothing: an actor that crashes while it shuts down is gone', async () => {
    const { world, runtime } = simulated()
    const log = lifeLog(runtime)
    const { spec } = puppet('a', { shutdownMs: 1000, polite: false, restart: 'permanent' })
    const top = runtime.spawn(supervisor('top', { children: [spec] }))
    const stopped = done(runtime.stop(top))
    await world.run(1)
    runtime.tell(`${top}/a`, { type: 'die' })
    await world.run(restartMs)
    expect(stopped.done).toBe(true)
    expect(log).toEqual(['+top', '+top/a', '-top/a', '-top'])
  })

  it('restarts nothing: a child that waited for its restart, or crashes before its turn, is gone', async () => {
    const { world, runtime } = simulated()
    const slow = puppet('slow', { shutdownMs: 1000, polite: false }).spec
    const top = runtime.spawn(supervisor('top', { children: [puppet('a').spec, puppet('b').spec, slow] }))
    runtime.tell(`${top}/a`, { type: 'die' })
    await world.run(1)
    const log = lifeLog(runtime)
    const stopped = done(runtime.stop(top))
    await world.run(1)
    runtime.tell(`${top}/b`, { type: 'die' })
    await world.run(1100)
    expect(stopped.done).toBe(true)
    expect(log).toEqual(['-top/b', '-top/slow', '-top'])
  })

  it('leaves a subtree whose turn has not come at work, restarts included', async () => {
    const { world, runtime } = simulated()
    const slow = puppet('slow', { shutdownMs: 1000, polite: false }).spec
    const busy = supervisor('busy', { children: [puppet('a').spec] })
    const top = runtime.spawn(supervisor('top', { children: [busy, slow] }))
    const log = lifeLog(runtime)
    runtime.stop(top)
    await world.run(1)
    runtime.tell(`${top}/busy/a`, { type: 'die' })
    await world.run(restartMs)
    expect(log).toEqual(['-top/busy/a', '+top/busy/a'])
    await world.run(1000)
    expect(runtime.census()).toEqual([])
  })

  it('refuses to start anything under an actor that is being stopped', async () => {
    const { world, runtime } = simulated()
    const slow = puppet('slow', { shutdownMs: 1000, polite: false }).spec
    const top = runtime.spawn(supervisor('top', { children: [slow] }))
    runtime.stop(top)
    await world.run(1)
    expect(() => runtime.spawn(puppet('late').spec, top)).toThrow('n1/top is not running')
    expect(() => runtime.spawn(puppet('late').spec, `${top}/slow`)).toThrow('n1/top/slow is not running')
  })

  it('does not touch what takes the address after the stopped one crashed', async () => {
    const { world, runtime } = simulated()
    world.pick = () => 0
    const children = () => [puppet('a').spec, puppet('slow', { shutdownMs: 1000, polite: false }).spec]
    const other = runtime.spawn(puppet('other').spec)
    const top = runtime.spawn(puppet('top', { restart: 'temporary', children: children() }).spec)
    runtime.stop(top)
    await world.run(1)
    runtime.tell(top, { type: 'die' })
    order(runtime, other, () => {
      runtime.spawn(puppet('top', { children: children() }).spec)
    })
    await world.run(2000)
    expect(runtime.census().map((actor) => actor.path)).toEqual(['other', 'top', 'top/a', 'top/slow'])
  })

  it('may be asked for by the actor itself', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const ref = runtime.spawn(puppet('a').spec, runtime.spawn(supervisor('top')))
    order(runtime, ref, (door) => {
      door.stop(door.self)
    })
    await world.run(restartMs)
    expect(exited).toMatchObject([{ ref, exit: { kind: 'shutdown' } }])
    expect(runtime.has(ref)).toBe(false)
  })

  it('frees the address for another actor', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn(puppet('a').spec)
    runtime.stop(ref)
    await world.run(0)
    const { heard, spec } = puppet('a')
    expect(runtime.spawn(spec)).toBe(ref)
    runtime.tell(ref, { type: 'hello' })
    await world.run(1)
    expect(types(heard)).toEqual(['hello'])
  })

  it('lets a machine work through what it must before it ends', async () => {
    const { world, runtime } = simulated()
    const draining = setup({}).createMachine({
      initial: 'serving',
      states: {
        serving: { on: { shutdown: 'draining' } },
        draining: { after: { 300: 'ended' } },
        ended: { type: 'final' },
      },
    })
    const ref = runtime.spawn({ id: 'a', logic: draining, shutdownMs: 1000 })
    const stopped = done(runtime.stop(ref))
    await world.run(299)
    expect(runtime.census()).toMatchObject([{ state: 'draining' }])
    await world.run(2)
    expect(stopped.done).toBe(true)
  })
})
