/** C.5, 9: what has ended does nothing more, neither an actor by its timers nor a process by anything. */
import type { Runtime } from '../../../src/runtime/runtime.ts'
import type { CheckerKind } from '../checker.ts'

export const timers: CheckerKind = {
  name: 'timers',
  invariant: 'no timer of an actor is due after its end, and no actor of a process that has died handles anything',
  sometimes: ['an actor ended before its timer was due', 'a process died while messages waited in it'],
  start: ({ broken, sometimes }) => {
    const dead = new WeakSet<Runtime>()
    return {
      onLife: ({ life }, what) => {
        if (what !== 'died' || life === undefined) return
        dead.add(life.runtime)
        if (life.runtime.census().some(({ waiting }) => waiting > 0)) {
          sometimes('a process died while messages waited in it')
        }
      },
      onSighting: (_, sighting) => {
        if (sighting.kind === 'timerDropped') sometimes('an actor ended before its timer was due')
        if (sighting.kind === 'timerLate') broken(`${sighting.ref} has ended, and its ${sighting.event} is due`)
      },
      onFact: ({ runtime }, fact) => {
        if (fact.kind === 'handled' && dead.has(runtime)) broken(`${fact.ref} goes on in a process that has died`)
      },
    }
  },
}
