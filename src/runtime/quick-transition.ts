/**
 * A machine's answer to an event that changes no state, without XState's macrostep: most messages only assign and act.
 * XState prepares for entering and leaving states, twice, before it finds that there is nothing to enter; that is most of
 * what such a message costs. What is not plain goes to XState unchanged: targets, eventless transitions, actions that are
 * XState's own (`raise`, `sendTo`), its errors and its stop.
 */
import { type AnyActorLogic, updated } from './logic.ts'

interface Snapshot {
  readonly context: object
  readonly _nodes: ReadonlyArray<{ readonly always?: unknown }>
}

type Params = unknown | ((given: { readonly context: object; readonly event: object }) => unknown)
type NamedAction = { readonly type: string; readonly params?: Params }
type Implementation = ((args: object, params: unknown) => void) & { readonly type?: string; readonly resolve?: unknown }

interface Transition {
  readonly target?: readonly unknown[]
  readonly reenter: boolean
  readonly actions: ReadonlyArray<Implementation | NamedAction | string>
}

interface Machine {
  readonly implementations: { readonly actions: Readonly<Record<string, Implementation | undefined>> }
  getTransitionData(snapshot: Snapshot, event: object): readonly Transition[]
  transition(snapshot: Snapshot, event: { readonly type: string }, scope: Scope): Snapshot
}

interface Scope {
  readonly self: unknown
  readonly system: unknown
}

interface Step {
  readonly run: Implementation
  readonly params: Params
}

/** What a plain transition does; undefined: it is not plain. */
const plans = new WeakMap<Transition, readonly Step[] | 'not plain'>()
const quickened = new WeakMap<object, AnyActorLogic>()

/** The same machine, quicker; any other logic as it is. */
export function quick(logic: AnyActorLogic): AnyActorLogic {
  if (!('getTransitionData' in logic)) return logic
  let known = quickened.get(logic)
  if (known === undefined) {
    const machine = logic as unknown as Machine
    const transition: Machine['transition'] = (snapshot, event, scope) =>
      plainly(machine, snapshot, event, scope) ?? machine.transition(snapshot, event, scope)
    known = Object.create(logic, { transition: { value: transition } }) as AnyActorLogic
    quickened.set(logic, known)
  }
  return known
}

/** The snapshot after the event; undefined, and nothing done, where it is not plain. */
function plainly(machine: Machine, snapshot: Snapshot, event: { readonly type: string }, scope: Scope) {
  // XState's own events mostly have targets: their guards would be evaluated twice.
  if (event.type.startsWith('xstate.')) return undefined
  for (const node of snapshot._nodes) if (node.always !== undefined) return undefined
  const [transition, another] = machine.getTransitionData(snapshot, event)
  if (transition === undefined) return snapshot
  if (another !== undefined) return undefined
  let plan = plans.get(transition)
  if (plan === undefined) {
    plan = planOf(machine, transition)
    plans.set(transition, plan)
  }
  return plan === 'not plain' ? undefined : follow(plan, snapshot, event, scope)
}

function planOf(machine: Machine, { target, reenter, actions }: Transition): readonly Step[] | 'not plain' {
  if (target !== undefined || reenter) return 'not plain'
  const plan: Step[] = []
  for (const action of actions) {
    const named = typeof action === 'string' ? { type: action, params: undefined } : action
    const run = typeof named === 'function' ? named : machine.implementations.actions[named.type]
    if (run === undefined) continue
    if ('resolve' in run && run.type !== 'xstate.assign') return 'not plain'
    plan.push({ run, params: typeof named === 'function' ? undefined : named.params })
  }
  return plan
}

function follow(plan: readonly Step[], before: Snapshot, event: object, { self, system }: Scope): Snapshot {
  let snapshot = before
  for (const { run, params } of plan) {
    const { context } = snapshot
    const given = typeof params === 'function' ? params({ context, event }) : params
    const args = { context, event, self, system }
    if ('resolve' in run) snapshot = updated(snapshot, args, given, run as never)
    else run(args, given)
  }
  return snapshot
}
