import { describe, expect, it } from 'vitest'
import { createActor, fromCallback, machineOptions, setup } from '../../src/runtime/logic.ts'
import { quick } from '../../src/runtime/quick-transition.ts'

const said: string[] = []
const say = (word: string) => () => void said.push(word)

const machine = setup({
  types: { events: {} as { readonly type: 'act' | 'pass' } },
  actors: { helper: fromCallback(say('helper')) },
  actions: { act: say('act'), enter: say('enter') },
  guards: { may: () => true },
  delays: { wait: 1000 },
}).createMachine({
  id: 'given',
  options: machineOptions,
  initial: 'open',
  invoke: { src: 'helper' },
  on: { act: { guard: 'may', actions: 'act' } },
  states: {
    open: { entry: 'enter', after: { wait: 'closed' } },
    closed: {},
  },
})

/** What it says when it starts and is told to act. */
function words(logic: typeof machine): string[] {
  said.length = 0
  const actor = createActor(quick(logic)).start()
  actor.send({ type: 'act' })
  actor.stop()
  return [...said]
}

describe('a machine that is provided with something', () => {
  it('does that, and all else as before', () => {
    const other = machine.provide({ actions: { act: say('other act') } })
    expect(words(other)).toEqual(['helper', 'enter', 'other act'])
    expect(words(machine)).toEqual(['helper', 'enter', 'act'])
  })

  it('can be provided with more', () => {
    const helped = machine.provide({ actors: { helper: fromCallback(say('other helper')) } })
    const both = helped.provide({ actions: { enter: say('other enter') } })
    expect(words(both)).toEqual(['other helper', 'other enter', 'act'])
    expect(words(helped)).toEqual(['other helper', 'enter', 'act'])
    expect(words(both.provide({ guards: { may: () => false } }))).toEqual(['other helper', 'other enter'])
  })

  it('waits as long as it is told to', () => {
    const set: number[] = []
    const clock = { setTimeout: (_: unknown, delayMs: number) => set.push(delayMs), clearTimeout: () => {} }
    createActor(machine.provide({ delays: { wait: 5 } }), { clock }).start()
    expect(set).toEqual([5])
  })
})
