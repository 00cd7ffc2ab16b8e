/**
 * A machine with other implementations. XState's own `provide` reads the whole configuration anew and forgets all that it
 * has worked out about it, for every machine of every node; here the variants share both, because nothing of that depends
 * on the implementations: XState looks them up by name, in the machine of the snapshot.
 */

type Implementations = Readonly<Record<'actions' | 'actors' | 'delays' | 'guards', object>>

interface Machine {
  readonly implementations: Implementations
  provide(given: Partial<Implementations>): Machine
}

/** What the constructor of a machine binds to it, so that it must be bound to a variant too. */
const bound = ['transition', 'getInitialSnapshot', 'getPersistedSnapshot', 'restoreSnapshot', 'start'] as const

/** The machine itself, with a `provide` that makes variants of it. */
export function withVariants<M extends Machine>(machine: M): M {
  machine.provide = (given) => withVariants(variantOf(machine, given))
  return machine
}

function variantOf(machine: Machine, given: Partial<Implementations>): Machine {
  const { actions, actors, delays, guards } = machine.implementations
  const implementations: Implementations = {
    actions: { ...actions, ...given.actions },
    actors: { ...actors, ...given.actors },
    delays: { ...delays, ...given.delays },
    guards: { ...guards, ...given.guards },
  }
  const variant = Object.create(machine, { implementations: { value: implementations } })
  const { prototype } = machine.constructor as { readonly prototype: Record<string, (...args: unknown[]) => unknown> }
  for (const method of bound) variant[method] = prototype[method]?.bind(variant)
  return variant
}
