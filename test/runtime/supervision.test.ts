import { describe, expect, it } from 'vitest'
import type { Ref } from '../../protocols/ref.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import type { Strategy } from '../../src/runtime/supervise.ts'
import type { SimulatedWorld } from '../sim/world.ts'
import { factsOf, lifeLog, node, order, puppet, restartMs, simulated, steady, supervisor } from './kit.ts'

const die = { type: 'die' }

/** A supervisor `s` with children a, b, c (b temporary where asked), and the log of what happens from now on. */
function family(strategy: Strategy, temporary: readonly string[] = []) {
  const { world, runtime } = simulated()
  const children = ['a', 'b', 'c'].map(
    (id) => puppet(id, { restart: temporary.includes(id) ? 'temporary' : 'permanent' }).spec,
  )
  runtime.spawn(supervisor('s', { policy: { ...steady, strategy }, children }))
  return { world, runtime, log: lifeLog(runtime) }
}

/** Crashes an actor and gives the supervisor time. */
async function crash(world: SimulatedWorld, runtime: Runtime, ref: Ref, forMs = restartMs): Promise<void> {
  runtime.tell(ref, die)
  await world.run(forMs)
}

describe('a supervisor', () => {
  it('restarts only the child that failed under one_for_one', async () => {
    const { world, runtime, log } = family('one_for_one')
    await crash(world, runtime, `${node}/s/b`)
    expect(log).toEqual(['-s/b', '+s/b'])
  })

  it('stops the others in reverse order and starts all in order under one_for_all', async () => {
    const { world, runtime, log } = family('one_for_all')
    await crash(world, runtime, `${node}/s/b`)
    expect(log).toEqual(['-s/b', '-s/c', '-s/a', '+s/a', '+s/b', '+s/c'])
  })

  it('stops those started later in reverse order and starts them again in order under rest_for_one', async () => {
    const { world, runtime, log } = family('rest_for_one')
    await crash(world, runtime, `${node}/s/a`)
    expect(log).toEqual(['-s/a', '-s/c', '-s/b', '+s/a', '+s/b', '+s/c'])
    log.length = 0
    await crash(world, runtime, `${node}/s/b`)
    expect(log).toEqual(['-s/b', '-s/c', '+s/b', '+s/c'])
  })

  it('drops a temporary sibling that had to stop with the failed one', async () => {
    const { world, runtime, log } = family('one_for_all', ['b'])
    await crash(world, runtime, `${node}/s/a`)
    expect(log).toEqual(['-s/a', '-s/c', '-s/b', '+s/a', '+s/c'])
    expect(runtime.has(`${node}/s/b`)).toBe(false)
  })

  it('leaves the siblings alone when a temporary child fails', async () => {
    const { world, runtime, log } = family('one_for_all', ['b'])
    await crash(world, runtime, `${node}/s/b`)
    expect(log).toEqual(['-s/b'])
  })

  it('keeps the messages that wait at siblings which stop and start with the failed one', async () => {
    const { world, runtime } = simulated()
    const a = puppet('a')
    const b = puppet('b')
    runtime.spawn(supervisor('s', { policy: { ...steady, strategy: 'one_for_all' }, children: [a.spec, b.spec] }))
    runtime.tell(`${node}/s/a`, die)
    await world.run(1)
    runtime.tell(`${node}/s/b`, { type: 'kept' })
    await world.run(restartMs)
    expect(b.heard).toEqual([{ type: 'kept' }])
  })

  it('starts a later sibling no earlier than the earlier one that failed while it waited', async () => {
    const { world, runtime, log } = family('rest_for_one')
    await crash(world, runtime, `${node}/s/c`, 5)
    await crash(world, runtime, `${node}/s/a`)
    expect(log).toEqual(['-s/c', '-s/a', '-s/b', '+s/a', '+s/b', '+s/c'])
  })

  it('waits twice as long before each further restart, up to the maximum', async () => {
    const { world, runtime } = simulated()
    const top = runtime.spawn(supervisor('top', { policy: { ...steady, intensity: 9 } }))
    const ref = runtime.spawn(puppet('a').spec, top)
    const delays: number[] = []
    let endedAtMs = 0
    runtime.facts.observe(['exited'], () => {
      endedAtMs = world.monotonicMs()
    })
    runtime.facts.observe(['started'], () => {
      delays.push(Math.round(world.monotonicMs() - endedAtMs))
    })
    for (let crashes = 0; crashes < 6; crashes++) await crash(world, runtime, ref)
    expect(delays).toEqual([10, 20, 40, 80, 80, 80])
  })

  it('gives up after its intensity and ends as a crash, and the tree above restarts it', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const top = runtime.spawn(supervisor('top'))
    const leaf = puppet('leaf').spec
    const mid = runtime.spawn(supervisor('mid', { policy: { ...steady, intensity: 2 }, children: [leaf] }), top)
    for (let crashes = 0; crashes < 3; crashes++) await crash(world, runtime, `${mid}/leaf`)
    expect(exited.filter((fact) => fact.ref === mid)).toMatchObject([
      {
        exit: {
          kind: 'crash',
          failure: { name: 'RestartIntensityError', message: expect.stringContaining('3 times') },
        },
      },
    ])
    expect(runtime.census().map(({ path, restarts }) => [path, restarts])).toEqual([
      ['top', 0],
      ['top/mid', 1],
      ['top/mid/leaf', 0],
    ])
  })

  it('has its whole intensity again after it was restarted itself', async () => {
    const { world, runtime } = simulated()
    const top = runtime.spawn(supervisor('top'))
    const leaf = puppet('leaf').spec
    const mid = runtime.spawn(supervisor('mid', { policy: { ...steady, intensity: 2 }, children: [leaf] }), top)
    for (let crashes = 0; crashes < 5; crashes++) await crash(world, runtime, `${mid}/leaf`)
    expect(runtime.census().map(({ path, restarts }) => [path, restarts])).toEqual([
      ['top', 0],
      ['top/mid', 1],
      ['top/mid/leaf', 2],
    ])
  })

  it('forgets crashes that are older than its period', async () => {
    const { world, runtime } = simulated()
    const top = runtime.spawn(supervisor('top', { policy: { ...steady, intensity: 1, periodMs: 1000 } }))
    const ref = runtime.spawn(puppet('a').spec, top)
    for (let crashes = 0; crashes < 5; crashes++) await crash(world, runtime, ref, 1200)
    expect(runtime.census()).toMatchObject([{ path: 'top' }, { path: 'top/a', restarts: 5 }])
  })

  it('that is a root escalates once, with the reason, and leaves nothing running', async () => {
    const { world, runtime } = simulated()
    const escalated = factsOf(runtime, 'escalated')
    const policy = { ...steady, intensity: 1 }
    runtime.spawn(
      supervisor('root', { policy, children: [supervisor('mid', { policy, children: [puppet('leaf').spec] })] }),
    )
    for (let crashes = 0; crashes < 12; crashes++) await crash(world, runtime, `${node}/root/mid/leaf`)
    expect(escalated).toMatchObject([{ ref: `${node}/root`, exit: { kind: 'crash' } }])
    expect(runtime.census()).toEqual([])
  })

  it('does no harm to the tree when an actor crashes while it starts another', async () => {
    const { world, runtime } = simulated()
    const exited = factsOf(runtime, 'exited')
    const a = runtime.spawn(puppet('a').spec, runtime.spawn(supervisor('top')))
    order(runtime, a, (door) => {
      door.spawn(puppet('child').spec)
      throw new Error('half way')
    })
    await world.run(restartMs)
    expect(exited.map((fact) => fact.ref)).toEqual([a, `${a}/child`])
    expect(runtime.census().map((actor) => actor.path)).toEqual(['top', 'top/a'])
  })
})
