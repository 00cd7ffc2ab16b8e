/**
 * A machine with other implementations. XState's own `provide` reads the whole configuration anew and forgets all that it
 * has worked out about it, for every machine of every node; here the variants share both, because nothing of that depends
 * on the implementations: XState looks them up by name, in the machine of the snapshot.
 */

import { copyOf } from './copy.ts'

type Implementations = Readonly<Record<'actions' | 'actors' | 'delays' | 'guards', object>>

interface Machine {
  readonly implementations: Implementations
  provide(given: Partial<Implementations>): Machine
}

/** What the constructor of a machine binds to it, so that it must be bound to a variant too. */
const bound = ['transition', 'getInitialSnapshot', 'getPersistedSnapshot', 'restoreSnapshot', 'start'] as const

/** The machine itself, with a `provide` that makes variants of it. */
export function withVariants<M extends Machine>(machine: M): M {
  return Object.assign(machine, {
    provide: (given: Partial<Implementations>) => withVariants(variantOf(machine, given)),
  })
}

function variantOf(machine: Machine, given: Partial<Implementations>): Machine {
  const { actions, actors, delays, guards } = machine.implementations
  const implementations: Implementations = {
    actions: { ...actions, ...given.actions },
    actors: { ...actors, ...given.actors },
    delays: { ...delays, ...given.delays },
    guards: { ...guards, ...given.guards },
  }
  const variant: Machine = copyOf(machine, { implementations })
  const methods = Object.getPrototypeOf(machine) as Record<string, (...args: unknown[]) => unknown>
  return Object.assign(variant, Object.fromEntries(bound.map((method) => [method, methods[method]?.bind(variant)])))
}
