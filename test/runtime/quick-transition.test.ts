import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, createActor, machineOptions, raise, setup } from '../../src/runtime/logic.ts'
import { quick } from '../../src/runtime/quick-transition.ts'

interface Context {
  readonly count: number
  readonly last: string
}

type Event = { readonly type: string; readonly by?: number }

/** Each way in which a message can be plain, and each in which it cannot. */
function machineWith(log: string[]) {
  return setup({
    types: { context: {} as Context, events: {} as Event },
    actions: {
      note: ({ context, event }, { what }: { what: string }) => log.push(`${what} ${event.type} ${context.count}`),
      plain: ({ context }) => log.push(`plain ${context.last}`),
      add: assign({ count: ({ context, event }) => context.count + (event.by ?? 1) }),
      name: assign(({ event }) => ({ last: event.type })),
      nothing: assign({}),
      leave: () => log.push('left'),
      fail: () => {
        throw new Error('an action failed')
      },
    },
    guards: { isSmall: ({ context }) => context.count < 5 },
    delays: { beat: 10 },
  }).createMachine({
    id: 'both',
    options: machineOptions,
    context: { count: 0, last: '' },
    type: 'parallel',
    on: { everywhere: { actions: ['name', 'plain'] }, fail: { actions: ['add', 'fail'] } },
    states: {
      left: {
        initial: 'still',
        on: { add: { guard: 'isSmall', actions: ['add', { type: 'note', params: { what: 'added' } }] } },
        states: {
          still: { on: { move: 'moving', add: [{ guard: 'isSmall', actions: 'add' }, { actions: 'nothing' }] } },
          moving: {
            entry: 'name',
            on: { rest: { target: 'still', actions: 'plain' }, again: { actions: raise({ type: 'add' }) } },
          },
        },
      },
      right: {
        initial: 'idle',
        on: { both: { actions: { type: 'note', params: ({ context }) => ({ what: String(context.count) }) } } },
        states: {
          idle: {
            on: {
              add: { actions: 'name' },
              wait: 'waiting',
              tick: 'ticking',
              loop: { target: 'idle', reenter: true, actions: 'add' },
            },
          },
          ticking: {
            entry: ['add', 'plain'],
            exit: 'leave',
            after: {
              beat: [{ guard: 'isSmall', target: 'ticking', reenter: true, actions: 'plain' }, { target: 'idle' }],
            },
            on: { idle: 'idle', delayed: { actions: raise({ type: 'both' }, { delay: 15 }) } },
          },
          waiting: { always: { guard: ({ context }) => context.count > 7, target: 'idle' } },
        },
      },
    },
  })
}

/** Time that passes when it is told to, ten milliseconds at once. */
class StepClock {
  #nowMs = 0
  #timers: Array<{ readonly atMs: number; readonly run: () => void }> = []

  setTimeout(run: () => void, delayMs: number): object {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.push(timer)
    return timer
  }

  clearTimeout(timer: object): void {
    this.#timers = this.#timers.filter((known) => known !== timer)
  }

  pass(): void {
    this.#nowMs += 10
    for (const timer of this.#timers) {
      if (timer.atMs > this.#nowMs || !this.#timers.includes(timer)) continue
      this.clearTimeout(timer)
      timer.run()
    }
  }
}

/** Everything that can be seen of a machine after these events. */
function lived(
  events: readonly Event[],
  made: (machine: ReturnType<typeof machineWith>) => ReturnType<typeof machineWith>,
) {
  const log: string[] = []
  const clock = new StepClock()
  const actor = createActor(made(machineWith(log)), { clock })
  const failures: unknown[] = []
  actor.subscribe({ error: (error) => void failures.push(String(error)) })
  actor.start()
  for (const event of events) event.type === 'pass' ? clock.pass() : actor.send(event)
  const { value, context, status } = actor.getSnapshot()
  return { log, failures, value, context, status }
}

const types = [
  'add',
  'everywhere',
  'both',
  'move',
  'rest',
  'again',
  'wait',
  'loop',
  'tick',
  'delayed',
  'idle',
  'pass',
  'pass',
  'unknown',
]

describe('a plain event', () => {
  it('has the same effect as in XState, whatever came before', () => {
    const event = fc.record({ type: fc.constantFrom(...types), by: fc.integer({ min: 0, max: 3 }) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        expect(lived(events, (machine) => quick(machine) as typeof machine)).toEqual(
          lived(events, (machine) => machine),
        )
      }),
    )
  })

  it('ends a machine whose action throws, as in XState', () => {
    const events = [{ type: 'add' }, { type: 'fail' }, { type: 'add' }]
    const quickly = lived(events, (machine) => quick(machine) as typeof machine)
    expect(quickly).toEqual(lived(events, (machine) => machine))
    expect(quickly).toMatchObject({ status: 'error', failures: ['Error: an action failed'] })
  })

  it('leaves the snapshot as it was where it changes nothing', () => {
    const actor = createActor(quick(machineWith([]))).start()
    const before = actor.getSnapshot()
    actor.send({ type: 'unknown' })
    actor.send({ type: 'both' })
    expect(actor.getSnapshot()).toBe(before)
  })

  it('does not reach XState, and another event does', () => {
    const machine = machineWith([])
    const asked: string[] = []
    const transition = machine.transition.bind(machine)
    machine.transition = (snapshot, event, scope) => {
      asked.push(event.type)
      return transition(snapshot, event, scope)
    }
    const actor = createActor(quick(machine)).start()
    for (const type of ['everywhere', 'both', 'unknown', 'loop', 'move', 'add', 'again']) actor.send({ type })
    // Into another state, in both regions at once, or by an action that is an event itself.
    expect(asked).toEqual(['move', 'add', 'again'])
  })
})
