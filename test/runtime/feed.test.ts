import { describe, expect, it } from 'vitest'
import type { Ref } from '../../protocols/ref.ts'
import { here } from '../../src/runtime/here.ts'
import { fromPromise, fromTransition, setup } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { factsOf, node, order, outcome, puppet, restartMs, simulated, supervisor } from './kit.ts'

/** A world in which a handler can take time. */
class BusyWorld extends SimulatedWorld {
  spentMs = 0

  override monotonicMs(): number {
    return super.monotonicMs() + this.spentMs
  }
}

const rowOf = (runtime: Runtime, path: string) => runtime.feed.census().find((actor) => actor.path === path)

describe('an actor’s counters', () => {
  it('rise with what its address handled and refused, over restarts', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn(puppet('a', { mailboxCapacity: 2 }).spec, runtime.spawn(supervisor('top')))
    for (const type of ['one', 'die', 'third']) runtime.tell(ref, { type })
    await world.run(restartMs)
    runtime.tell(ref, { type: 'late' }, { deadlineMs: world.monotonicMs() - 1 })
    await world.run(1)
    expect(rowOf(runtime, 'top/a')).toMatchObject({ handled: 2, refused: 2, restarts: 1, capacity: 2 })
    expect(runtime.feed.counters()).toMatchObject({
      told: 4,
      handled: 2,
      restarts: 1,
      deadLetters: { full: 1, expired: 1, absent: 0 },
    })
  })

  it('stay in the node’s when the actor is gone: told is handled, dead letters and waiting', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn(puppet('a').spec)
    for (const type of ['one', 'two', 'finish', 'left over']) runtime.tell(ref, { type })
    await world.run(1)
    expect(runtime.has(ref)).toBe(false)
    expect(runtime.feed.counters()).toMatchObject({ told: 4, handled: 3, deadLetters: { absent: 1 } })
  })

  it('account for a question that is refused at once: it is a dead letter, as any message', async () => {
    const { runtime } = simulated()
    const ref = runtime.spawn(puppet('a', { mailboxCapacity: 1 }).spec)
    const dead = factsOf(runtime, 'deadLetter')
    const others = [ref, `${node}/nobody`, 'elsewhere/nobody']
    const asked = [ref, ...others].map((to) => outcome(runtime.ask(to, { type: 'question' }, 50)))
    await Promise.resolve()
    const reasons = ['full', 'absent', 'unreachable']
    expect(asked.map(({ reason }) => reason)).toEqual([undefined, ...reasons])
    expect(dead).toEqual(others.map((to, i) => ({ kind: 'deadLetter', to, type: 'question', why: reasons[i] })))
    expect(runtime.feed.counters()).toMatchObject({ told: 4, deadLetters: { full: 1, absent: 1, unreachable: 1 } })
  })

  it('tell how asks ended, and how many are open', async () => {
    const { world, runtime } = simulated()
    const ref = runtime.spawn(puppet('a').spec)
    const asked = [
      outcome(runtime.ask(ref, { type: 'question', of: 1 }, 50)),
      outcome(runtime.ask(ref, { type: 'ignored' }, 50)),
      outcome(runtime.ask(`${node}/nobody`, { type: 'question' }, 50)),
    ]
    await world.run(1)
    expect(runtime.feed.counters()).toMatchObject({ asks: 3, asksOpen: 1, asksFailed: { absent: 1, timeout: 0 } })
    await world.run(60)
    expect(runtime.feed.counters()).toMatchObject({ asks: 3, asksOpen: 0, asksFailed: { absent: 1, timeout: 1 } })
    expect(asked[0]?.value).toMatchObject({ of: 1 })
  })

  it('name peers whose frames were refused, up to 256 apart', () => {
    const { runtime } = simulated()
    for (let peer = 0; peer < 300; peer++) runtime.receive(`p${peer}`, Uint8Array.of(0xc1))
    const { rejected } = runtime.feed.counters()
    expect(rejected).toMatchObject({ p0: 1, p255: 1, '': 44 })
    expect(Object.keys(rejected)).toHaveLength(257)
  })
})

describe('what an actor is at', () => {
  it('shows a promise that it invoked and for how long it has run, until that settles', async () => {
    const { world, runtime } = simulated()
    const settle = Promise.withResolvers<void>()
    const machine = setup({ actors: { reading: fromPromise(() => settle.promise) } }).createMachine({
      initial: 'busy',
      states: { busy: { invoke: { src: 'reading', onDone: 'done' } }, done: {} },
    })
    runtime.spawn({ id: 'a', logic: machine })
    await world.run(3200)
    expect(rowOf(runtime, 'a')?.runs).toEqual([{ name: 'reading', forMs: expect.closeTo(3200, -1) }])
    settle.resolve()
    await world.run(1)
    expect(rowOf(runtime, 'a')).toMatchObject({ state: 'done', runs: [] })
  })

  it('shows how long its oldest message has waited, and its longest handler, while somebody looks', async () => {
    const world = new BusyWorld(1)
    const runtime = new Runtime(node, world)
    const slow = fromTransition((state: null, event: { type: string }) => {
      if (event.type === 'work') world.spentMs += 120
      return state
    }, null)
    const top = runtime.spawn(supervisor('top'))
    const ref = runtime.spawn(puppet('a').spec, top)
    const worker = runtime.spawn({ id: 'slow', logic: slow })
    runtime.tell(worker, { type: 'work' })
    await world.run(1)
    expect(rowOf(runtime, 'slow')?.longestMs).toBeNull()

    runtime.feed.recorder.since(undefined, 0)
    runtime.tell(worker, { type: 'work' })
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    runtime.tell(ref, { type: 'waits for the restart' })
    await world.run(5)
    expect(rowOf(runtime, 'top/a')).toMatchObject({ waiting: 1, oldestMs: expect.closeTo(5, 0) })
    expect(rowOf(runtime, 'slow')?.longestMs).toBe(120)
    const { facts } = runtime.feed.recorder.since(undefined, 10)
    expect(facts).toContainEqual(expect.objectContaining({ kind: 'slow', subject: 'slow', detail: 'work took 120 ms' }))
  })
})

describe('an open ask', () => {
  it('knows who asked whom, since when and until when, and who owes the answer', async () => {
    const { world, runtime } = simulated()
    const a = runtime.spawn(puppet('a').spec)
    const b = runtime.spawn(puppet('b').spec)
    order(runtime, a, (door) => void outcome(door.ask(b, { type: 'ignored' }, 1000)))
    await world.run(400)
    outcome(runtime.ask(a, { type: 'ignored too' }, 1000))
    await world.run(1)
    const { asks, owed } = runtime.feed.waits()
    expect(asks).toMatchObject([
      { asker: 'a', asked: b, type: 'ignored', ageMs: expect.closeTo(400, -1), leftMs: expect.closeTo(600, -1) },
      { asker: null, asked: a, type: 'ignored too' },
    ])
    expect(owed).toEqual([
      { ask: asks[0]?.ask, by: 'b' },
      { ask: asks[1]?.ask, by: 'a' },
    ])
    expect(rowOf(runtime, 'b')?.owes).toBe(1)
  })

  it('is nobody’s any more once the incarnation that asked has ended', async () => {
    const { world, runtime } = simulated()
    const a = runtime.spawn(puppet('a').spec, runtime.spawn(supervisor('top')))
    const b = runtime.spawn(puppet('b').spec)
    order(runtime, a, (door) => void outcome(door.ask(b, { type: 'ignored' }, 1000)))
    runtime.tell(a, { type: 'die' })
    await world.run(restartMs)
    expect(runtime.feed.waits().asks).toMatchObject([{ asker: null, asked: b }])
  })

  it('is owed by the actor that it was forwarded to', async () => {
    const { world, runtime } = simulated()
    const end = runtime.spawn(puppet('end').spec)
    const forward = fromTransition((state: null, event: { type: string; replyTo?: Ref }, { system }) => {
      here(system).tell(end, { type: 'ignored', replyTo: event.replyTo })
      return state
    }, null)
    const front = runtime.spawn({ id: 'front', logic: forward })
    outcome(runtime.ask(front, { type: 'ask' }, 1000))
    await world.run(1)
    expect(runtime.feed.waits()).toMatchObject({ asks: [{ asked: front }], owed: [{ by: 'end' }] })
  })
})

describe('the recorder', () => {
  const watched = () => {
    const both = simulated()
    both.runtime.feed.recorder.since(undefined, 0)
    return { ...both, recorder: both.runtime.feed.recorder }
  }

  it('keeps facts by number, and gives each reader what is newer than its cursor', async () => {
    const { world, runtime, recorder } = watched()
    const ref = runtime.spawn(puppet('a').spec)
    const first = recorder.since(undefined, 10)
    expect(first.facts).toMatchObject([{ kind: 'started', subject: 'a', count: 1 }])
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    const next = recorder.since(first.cursor, 10)
    expect(next).toMatchObject({ missed: 0, facts: [{ kind: 'exited', subject: 'a', detail: 'crash: died as told' }] })
    expect(recorder.since(next.cursor, 10).facts.map(({ kind }) => kind)).not.toContain('exited')
  })

  it('forgets the oldest facts beyond its room, and says how many a reader missed', () => {
    const { runtime, recorder } = watched()
    const { cursor } = recorder.since(undefined, 10)
    for (let i = 0; i < 3000; i++) runtime.spawn(puppet(`a${i}`).spec)
    const { facts, missed } = recorder.since(cursor, 4000)
    expect(facts.length).toBeLessThanOrEqual(2048)
    expect(missed + facts.length).toBe(3000)
    expect(facts.at(-1)?.subject).toBe('a2999')
    const page = recorder.since(facts.at(-11)?.sequence, 4)
    expect(page.facts.map(({ subject }) => subject)).toEqual(['a2990', 'a2991', 'a2992', 'a2993'])
    expect(page.cursor).toBe(page.facts.at(-1)?.sequence)
  })

  it('tells a thousand dead letters of a kind once a second, with their number', async () => {
    const { world, runtime, recorder } = watched()
    const lose = () => runtime.tell(`${node}/nobody`, { type: 'lost' })
    for (let i = 0; i < 1000; i++) lose()
    await world.run(1500)
    lose()
    expect(recorder.since(undefined, 10).facts).toMatchObject([
      { kind: 'deadLetter', subject: 'nobody', detail: 'lost: absent', count: 1 },
      { count: 1000 },
    ])
  })

  it('keeps the dead for a minute, with how and when they ended, and not those that came back', async () => {
    const { world, runtime, recorder } = watched()
    const gone = runtime.spawn(puppet('gone').spec)
    const back = runtime.spawn(puppet('back').spec, runtime.spawn(supervisor('top')))
    runtime.tell(gone, { type: 'finish' })
    runtime.tell(back, { type: 'die' })
    await world.run(2000)
    expect(recorder.dead()).toMatchObject([
      { path: 'gone', exit: 'normal', handled: 1, agoMs: expect.closeTo(2000, -1) },
    ])
    for (let second = 0; second < 57; second++) {
      await world.run(1000)
      expect(recorder.dead()).toHaveLength(1)
    }
    await world.run(1500)
    expect(recorder.dead()).toEqual([])
  })

  it('keeps no more than 256 dead', async () => {
    const { runtime, recorder } = watched()
    for (let i = 0; i < 300; i++) await runtime.stop(runtime.spawn(puppet(`a${i}`).spec))
    expect(recorder.dead()).toHaveLength(256)
    expect(recorder.dead().at(-1)?.path).toBe('a299')
  })

  it('costs nothing once nobody has looked for 15 s: nobody observes, nothing is timed, nothing is kept', async () => {
    const { world, runtime, recorder } = watched()
    const ref = runtime.spawn(puppet('a').spec)
    const { cursor } = recorder.since(undefined, 10)
    await world.run(10_000)
    recorder.dead()
    await world.run(14_900)
    expect(recorder.attached).toBe(true)
    await world.run(200)
    expect(recorder.attached).toBe(false)
    for (const kind of ['started', 'exited', 'handled', 'deadLetter', 'rejected', 'escalated'] as const) {
      expect(runtime.facts.wants(kind), kind).toBe(false)
    }
    runtime.tell(ref, { type: 'finish' })
    expect(rowOf(runtime, 'a')).toMatchObject({ waiting: 1, oldestMs: null })
    await world.run(1)
    expect(recorder.since(cursor, 10)).toMatchObject({ facts: [], missed: 1 })
    expect(recorder.dead()).toEqual([])
  })
})
