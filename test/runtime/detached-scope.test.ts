import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createActor, machineOptions, setup } from '../../src/runtime/logic.ts'
import { quick } from '../../src/runtime/quick-transition.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void

const actors = 1000
/** Half of what is held of each without the detached scope. */
const maxHeldBytesEach = 2500

const machine = setup({}).createMachine({
  id: 'passing',
  options: machineOptions,
  context: () => ({ payload: new Array(100).fill(0) }),
  initial: 'first',
  states: { first: { on: { next: 'second' }, after: { 60000: 'second' } }, second: {} },
})

/** What is still held of actors that came and went, when only the young have been collected. */
function heldBytesEach(): number {
  collect({ type: 'minor' })
  const beforeBytes = process.memoryUsage().heapUsed
  for (let i = 0; i < actors; i++) {
    const actor = createActor(quick(machine)).start()
    actor.send({ type: 'next' })
    actor.stop()
  }
  for (let i = 0; i < 2; i++) collect({ type: 'minor' })
  return (process.memoryUsage().heapUsed - beforeBytes) / actors
}

describe('an actor that was stopped', () => {
  it('is gone with the next collection of what is young', () => {
    heldBytesEach()
    expect(heldBytesEach()).toBeLessThan(maxHeldBytesEach)
  })
})
