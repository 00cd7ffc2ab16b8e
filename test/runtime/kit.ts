/** What the runtime's tests are made of: a runtime on a simulated world, an actor that obeys, facts in a list. */
import type { Message, Ref } from '../../protocols/ref.ts'
import type { Spec } from '../../src/runtime/cell.ts'
import type { Fact, FactKind, FactOf } from '../../src/runtime/facts.ts'
import { type Door, here } from '../../src/runtime/here.ts'
import { fromTransition, setup } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { SimulatedWorld } from '../sim/world.ts'

export const node = 'n1'

/** Restarts at known times: 10, 20, 40, 80 ms. */
export const steady = { backoff: { minMs: 10, maxMs: 80, jitter: 0 } }

/** Long enough for any number of restarts under `steady`. */
export const restartMs = 100

interface PuppetContext {
  readonly heard: Message[]
  readonly polite: boolean
}

/**
 * Hears everything and obeys: `die` throws, `finish` ends with 42, `question` is answered with its own number, `do`
 * calls `message.run` with the door. `shutdown` ends a polite one.
 */
const puppetLogic = setup({
  types: { context: {} as PuppetContext, input: {} as PuppetContext, events: {} as Message },
  actions: {
    note: ({ context, event }) => context.heard.push(event),
    obey: ({ event, system }) => {
      if (event.type === 'die') throw new Error('died as told')
      const door = here(system)
      if (event.type === 'question') door.tell(event.replyTo as Ref, { type: 'answer', of: event.of })
      if (event.type === 'do') (event.run as (door: Door) => void)(door)
    },
  },
  guards: { polite: ({ context }) => context.polite },
}).createMachine({
  context: ({ input }) => input,
  output: 42,
  initial: 'on',
  states: {
    on: {
      on: {
        finish: { actions: 'note', target: 'off' },
        shutdown: [{ guard: 'polite', actions: 'note', target: 'off' }, { actions: 'note' }],
        '*': { actions: ['note', 'obey'] },
      },
    },
    off: { type: 'final' },
  },
})

/** A puppet's spec and what all its incarnations heard. */
export function puppet(id: string, rest: Partial<Spec> & { readonly polite?: boolean } = {}) {
  const heard: Message[] = []
  const { polite = true, ...others } = rest
  return { heard, spec: { id, logic: puppetLogic, input: { heard, polite }, ...others } satisfies Spec }
}

/** Supervises and does nothing else. */
export function supervisor(id: string, rest: Partial<Spec> = {}): Spec {
  return { id, logic: fromTransition((state: null) => state, null), policy: steady, ...rest }
}

export const types = (heard: readonly Message[]): string[] => heard.map((message) => message.type)

/** All facts of these kinds from now on. */
export function factsOf<K extends FactKind>(runtime: Runtime, ...kinds: K[]): Array<FactOf<K>> {
  const facts: Array<FactOf<K>> = []
  runtime.facts.observe(kinds, (fact) => facts.push(fact))
  return facts
}

/** Starts and ends in order, as `+path` and `-path`. */
export function lifeLog(runtime: Runtime): string[] {
  const log: string[] = []
  runtime.facts.observe(['started', 'exited'], (fact: Fact & { ref: Ref }) => {
    log.push(`${fact.kind === 'started' ? '+' : '-'}${fact.ref.slice(runtime.node.length + 1)}`)
  })
  return log
}

/** A runtime on its own simulated world. */
export function simulated(seed = 1): { world: SimulatedWorld; runtime: Runtime } {
  const world = new SimulatedWorld(seed)
  return { world, runtime: new Runtime(node, world) }
}

/** Makes a puppet do something with its door, in its own time. */
export function order(runtime: Runtime, ref: Ref, run: (door: Door) => void): void {
  if (!runtime.tell(ref, { type: 'do', run })) throw new Error(`${ref} took no order`)
}

/** How a promise stands once the world has run: what it resolved to, or the reason of its failure. */
export function outcome<T>(promise: Promise<T>): { value?: T; reason?: unknown } {
  const settled: { value?: T; reason?: unknown } = {}
  promise.then(
    (value) => {
      settled.value = value
    },
    (error: { reason?: unknown }) => {
      settled.reason = error.reason ?? error
    },
  )
  return settled
}
