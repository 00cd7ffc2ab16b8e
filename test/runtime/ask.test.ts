import { describe, expect, it } from 'vitest'
import type { Message, Ref } from '../../protocols/ref.ts'
import { maxOwedAsks } from '../../src/runtime/asks.ts'
import { here } from '../../src/runtime/here.ts'
import { assign, fromPromise, setup } from '../../src/runtime/logic.ts'
import { factsOf, node, order, outcome, puppet, restartMs, simulated, supervisor, types } from './kit.ts'

const question = { type: 'question', of: 7 }

/** A supervised puppet and what it heard. */
function asked(rest: Parameters<typeof puppet>[1] = {}) {
  const { world, runtime } = simulated()
  const { heard, spec } = puppet('a', rest)
  const ref = runtime.spawn(spec, runtime.spawn(supervisor('top')))
  return { world, runtime, heard, ref }
}

describe('an ask', () => {
  it('resolves to the reply', async () => {
    const { world, runtime, ref } = asked()
    const answer = outcome(runtime.ask(ref, question, 1000))
    await world.run(1)
    expect(answer.value).toEqual({ type: 'answer', of: 7 })
  })

  it('fails by its timeout when nobody replies', async () => {
    const { world, runtime, ref } = asked()
    const answer = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    await world.run(999)
    expect(answer).toEqual({})
    await world.run(2)
    expect(answer.reason).toBe('timeout')
  })

  it('fails at once when there is no such actor, and says to whom it went', async () => {
    const { world, runtime } = asked()
    const failure = runtime.ask(`${node}/nobody`, question, 1000).catch((error: unknown) => error)
    await world.run(0)
    expect(await failure).toMatchObject({ name: 'AskError', reason: 'absent', to: `${node}/nobody` })
  })

  it('fails at once when the mailbox is full', async () => {
    const { world, runtime, ref } = asked({ mailboxCapacity: 1 })
    runtime.tell(ref, { type: 'x' })
    const answer = outcome(runtime.ask(ref, question, 1000))
    await world.run(0)
    expect(answer.reason).toBe('full')
  })

  it.each(['die', 'finish'])('fails at once when the asked incarnation ends (%s)', async (type) => {
    const { world, runtime, ref } = asked()
    const answer = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    runtime.tell(ref, { type })
    await world.run(1)
    expect(answer.reason).toBe('down')
  })

  it('fails at once when the asked actor is stopped before it took the question', async () => {
    const { world, runtime, ref } = asked()
    const answer = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    runtime.stop(ref)
    await world.run(0)
    expect(answer.reason).toBe('down')
  })

  it('put between two incarnations is answered by the next', async () => {
    const { world, runtime, ref } = asked()
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    const answer = outcome(runtime.ask(ref, question, 1000))
    await world.run(restartMs)
    expect(answer.value).toMatchObject({ of: 7 })
  })

  it('takes the first reply; the second is a dead letter', async () => {
    const { world, runtime, ref } = asked()
    const dead = factsOf(runtime, 'deadLetter')
    const run = (door: { tell(to: Ref, message: Message): boolean }, to: Ref) => [
      door.tell(to, { type: 'first' }),
      door.tell(to, { type: 'second' }),
    ]
    let told: boolean[] = []
    let replyTo = ''
    const answer = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    order(runtime, ref, (door) => {
      told = run(door, replyTo)
    })
    runtime.facts.observe(['handled'], ({ message }) => {
      if (message.type === 'ignored') replyTo = message.replyTo as Ref
    })
    await world.run(1)
    expect(answer.value).toEqual({ type: 'first' })
    expect(told).toEqual([true, false])
    expect(dead).toMatchObject([{ type: 'second', why: 'absent' }])
  })

  it('whose question waits longer than its timeout is never handed over', async () => {
    const { world, runtime, ref, heard } = asked()
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    const answer = outcome(runtime.ask(ref, question, 2))
    await world.run(restartMs)
    expect(answer.reason).toBe('timeout')
    expect(types(heard)).toEqual(['die'])
  })

  it('is refused as by a full mailbox when the asked actor owes too many answers already', async () => {
    const { world, runtime, ref } = asked({ mailboxCapacity: maxOwedAsks * 2 })
    const answers = Array.from({ length: maxOwedAsks }, () => outcome(runtime.ask(ref, { type: 'ignored' }, 1000)))
    const one = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    await world.run(1)
    expect(one.reason).toBe('full')
    expect(answers.every((answer) => answer.reason === undefined)).toBe(true)
    await world.run(1000)
    const later = outcome(runtime.ask(ref, question, 1000))
    await world.run(1)
    expect(later.value).toMatchObject({ of: 7 })
  })

  it('may be forwarded: it then depends on the one that answers, not on the one that forwarded', async () => {
    const { world, runtime, ref } = asked()
    const other = puppet('other')
    const otherRef = runtime.spawn(other.spec)
    const answers = ['ignored', 'ignored'].map((type) => outcome(runtime.ask(ref, { type }, 1000)))
    const asks: Ref[] = []
    runtime.facts.observe(['handled'], ({ ref: by, message }) => {
      if (by === ref && message.type === 'ignored') asks.push(message.replyTo as Ref)
    })
    await world.run(1)
    order(runtime, ref, (door) => {
      door.tell(otherRef, { type: 'question', of: 1, replyTo: asks[0] })
      throw new Error('the one that forwarded ends')
    })
    await world.run(1)
    expect(answers).toEqual([{ value: { type: 'answer', of: 1 } }, { reason: 'down' }])
  })

  it('leaves the answer with the actor that could not forward it', async () => {
    const { world, runtime, ref } = asked()
    const busy = runtime.spawn(puppet('busy', { mailboxCapacity: 1 }).spec)
    const answer = outcome(runtime.ask(ref, { type: 'ignored' }, 1000))
    let replyTo = ''
    runtime.facts.observe(['handled'], ({ message }) => {
      if (message.type === 'ignored') replyTo = message.replyTo as Ref
    })
    await world.run(1)
    runtime.tell(busy, { type: 'x' })
    expect(runtime.tell(busy, { type: 'question', replyTo })).toBe(false)
    runtime.tell(ref, { type: 'die' })
    await world.run(1)
    expect(answer.reason).toBe('down')
  })

  it('resolves inside the promise of an actor', async () => {
    const { world, runtime, ref } = asked()
    const machine = setup({
      types: { context: {} as { of: unknown } },
      actors: {
        asking: fromPromise(async ({ system }) => (await here(system).ask(ref, question, 1000)).of),
      },
    }).createMachine({
      context: { of: null },
      initial: 'asking',
      states: {
        asking: {
          invoke: { src: 'asking', onDone: { target: 'told', actions: assign({ of: ({ event }) => event.output }) } },
        },
        told: {},
      },
    })
    runtime.spawn({ id: 'asker', logic: machine })
    await world.run(1)
    expect(runtime.census().find((actor) => actor.path === 'asker')?.state).toBe('told')
  })
})
