import { describe, expect, it } from 'vitest'
import type { Message, Ref } from '../../protocols/ref.ts'
import { type Door, here } from '../../src/runtime/here.ts'
import { fromTransition } from '../../src/runtime/logic.ts'
import { node, order, puppet, restartMs, simulated, supervisor, types } from './kit.ts'

/** A watcher `w` and a watched `top/a`, the watch in place. */
async function watched(rest: Parameters<typeof puppet>[1] = {}) {
  const { world, runtime } = simulated()
  const { heard, spec } = puppet('w', rest)
  const top = runtime.spawn(supervisor('top'))
  const watcher = runtime.spawn(spec, top)
  const target = runtime.spawn(puppet('a', { restart: 'permanent' }).spec, top)
  order(runtime, watcher, (door) => door.watch(target))
  await world.run(1)
  heard.length = 0
  return { world, runtime, heard, watcher, target, top }
}

const downs = (heard: readonly Message[]): Message[] => heard.filter((message) => message.type === 'actor.down')

describe('a watch', () => {
  it.each([
    ['die', { kind: 'crash', failure: { name: 'Error', message: 'died as told' } }],
    ['finish', { kind: 'normal', output: 42 }],
  ])(
    'yields one actor.down with the reason when the watched actor ends by %s, a restart included',
    async (type, exit) => {
      const { world, runtime, heard, target } = await watched()
      const { epoch } = runtime.census().find((actor) => actor.path === 'top/a') ?? {}
      runtime.tell(target, { type })
      await world.run(restartMs)
      expect(runtime.has(target)).toBe(true)
      expect(heard).toMatchObject([{ type: 'actor.down', ref: target, epoch, exit }])
      runtime.tell(target, { type })
      await world.run(restartMs)
      expect(heard).toHaveLength(1)
    },
  )

  it('is none of the next incarnation when a promise of the one before is the first to use the door', async () => {
    const { world, runtime } = simulated()
    const systems: object[] = []
    const heard: Message[] = []
    const logic = fromTransition((state: null, event: Message, { system }) => {
      if (event.type === 'die') {
        systems.push(system)
        throw new Error('died as told')
      }
      heard.push(event)
      return state
    }, null)
    const top = runtime.spawn(supervisor('top'))
    const watcher = runtime.spawn({ id: 'w', logic, restart: 'permanent' }, top)
    const target = runtime.spawn(puppet('a').spec, top)
    runtime.tell(watcher, { type: 'die' })
    await world.run(restartMs)
    here(systems[0] as object).watch(target)
    runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
  })

  it('yields one actor.down when the watched actor is stopped', async () => {
    const { world, runtime, heard, target } = await watched()
    runtime.stop(target)
    await world.run(restartMs)
    expect(heard).toMatchObject([{ type: 'actor.down', ref: target, exit: { kind: 'shutdown' } }])
  })

  it('yields one actor.down when the watched actor has to restart with a sibling', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('w')
    const watcher = runtime.spawn(spec)
    const children = [puppet('a').spec, puppet('b').spec]
    const top = runtime.spawn(supervisor('top', { policy: { strategy: 'one_for_all' }, children }))
    order(runtime, watcher, (door) => door.watch(`${top}/b`))
    await world.run(1)
    runtime.tell(`${top}/a`, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toMatchObject([{ ref: `${top}/b`, exit: { kind: 'shutdown' } }])
  })

  it('yields one actor.down at once when there is no such actor, or none just now', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    order(runtime, watcher, (door) => door.unwatch(target))
    await world.run(1)
    runtime.tell(target, { type: 'die' })
    await world.run(1)
    order(runtime, watcher, (door) => {
      door.watch(`${node}/nobody`)
      door.watch(target)
    })
    await world.run(restartMs)
    expect(downs(heard)).toMatchObject([
      { ref: `${node}/nobody`, exit: { kind: 'absent' } },
      { ref: target, exit: { kind: 'absent' } },
    ])
  })

  it('is one watch however often it is asked for', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    order(runtime, watcher, (door) => door.watch(target))
    await world.run(1)
    runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toHaveLength(1)
  })

  it('yields nothing after unwatch', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    order(runtime, watcher, (door) => door.unwatch(target))
    await world.run(1)
    runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
  })

  it('can be renewed on the next incarnation', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    for (let round = 1; round <= 3; round++) {
      runtime.tell(target, { type: 'die' })
      await world.run(restartMs)
      expect(downs(heard)).toHaveLength(round)
      order(runtime, watcher, (door) => door.watch(target))
      await world.run(1)
    }
    expect(new Set(downs(heard).map((down) => down.epoch)).size).toBe(3)
  })

  it('reaches a watcher whose mailbox is full, and before the messages that wait', async () => {
    const { world, runtime, heard, watcher, target } = await watched({ mailboxCapacity: 1 })
    expect(runtime.tell(watcher, { type: 'waiting' })).toBe(true)
    await runtime.stop(target)
    expect(runtime.tell(watcher, { type: 'refused' })).toBe(false)
    await world.run(1)
    expect(types(heard)).toEqual(['actor.down', 'waiting'])
  })

  it('of a watcher that restarted is gone', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    runtime.tell(watcher, { type: 'die' })
    await world.run(restartMs)
    runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
  })

  it('leaves no notice for the next incarnation of a watcher that crashed before it took it', async () => {
    const { world, runtime, heard, watcher } = await watched()
    order(runtime, watcher, (door) => {
      door.watch(`${node}/nobody`)
      throw new Error('crashed with a notice waiting')
    })
    await world.run(restartMs)
    expect(runtime.census().find((actor) => actor.path === 'top/w')?.restarts).toBe(1)
    expect(downs(heard)).toEqual([])
  })

  it('cannot be set by what an ended incarnation left behind', async () => {
    const { world, runtime, heard, watcher, target } = await watched()
    let old: Door | undefined
    order(runtime, watcher, (door) => {
      old = door
      throw new Error('crashed')
    })
    await world.run(restartMs)
    old?.watch(target)
    runtime.tell(target, { type: 'die' })
    await world.run(restartMs)
    expect(downs(heard)).toEqual([])
  })

  it('tells every watcher', async () => {
    const { world, runtime, target } = await watched()
    const many = Array.from({ length: 50 }, (_, i) => puppet(`watcher-${i}`))
    for (const { spec } of many) order(runtime, runtime.spawn(spec), (door) => door.watch(target))
    await world.run(1)
    runtime.tell(target, { type: 'die' })
    await world.run(1)
    expect(many.map(({ heard }) => downs(heard).length)).toEqual(many.map(() => 1))
  })

  it('of its supervisor tells an actor nothing, for it ends first', async () => {
    const { world, runtime } = simulated()
    const { heard, spec } = puppet('a')
    const top: Ref = runtime.spawn(supervisor('top', { children: [spec] }))
    order(runtime, `${top}/a`, (door) => door.watch(top))
    await world.run(1)
    runtime.stop(top)
    await world.run(1)
    expect(downs(heard)).toEqual([])
    expect(runtime.census()).toEqual([])
  })
})
