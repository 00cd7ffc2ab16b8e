/**
 * A machine's answer to an event that leaves it in its states, without XState's macrostep: most messages only assign and
 * act, most timers only begin their state anew. XState prepares for every state that might be left and entered, twice,
 * before it finds that there is none; that is most of what such an event costs. What is not plain goes to XState unchanged:
 * other targets, states with eventless transitions, actions that need more than one step, XState's errors and its stop.
 */
import { copyOf } from './copy.ts'
import { detachedScope } from './detached-scope.ts'
import { type AnyActorLogic, updated } from './logic.ts'

interface StateNode {
  readonly type: string
  readonly parent?: StateNode
  readonly entry: readonly Action[]
  readonly exit: readonly Action[]
  readonly invoke: readonly unknown[]
  readonly always?: unknown
}

interface Snapshot {
  readonly context: object
  readonly _nodes: readonly StateNode[]
}

/** An action of ours, or one of those that XState makes; of these only what says what it is. */
type Implementation = ((args: object, params: unknown) => void) & {
  readonly type?: string
  readonly delay?: unknown
  /** Answers the snapshot after it, and what `execute` is to be given. */
  readonly resolve?: (
    scope: Scope,
    snapshot: Snapshot,
    args: object,
    params: unknown,
    action: Implementation,
    extra: { readonly internalQueue: object[] },
  ) => readonly [Snapshot, unknown]
  readonly execute?: (scope: Scope, resolved: unknown) => void
}
type Params = unknown | ((given: { readonly context: object; readonly event: object }) => unknown)
type Action = Implementation | string | { readonly type: string; readonly params?: Params }

interface Transition {
  readonly source: StateNode
  readonly target?: readonly StateNode[]
  readonly reenter: boolean
  readonly actions: readonly Action[]
}

interface Machine {
  readonly implementations: { readonly actions: Readonly<Record<string, Implementation | undefined>> }
  getTransitionData(snapshot: Snapshot, event: object): readonly Transition[]
  transition(snapshot: Snapshot, event: { readonly type: string }, scope: Scope): Snapshot
  getInitialSnapshot(scope: Scope, input: unknown): Snapshot
}

interface Scope {
  readonly self: unknown
  readonly system: unknown
}

interface Step {
  readonly run: Implementation
  readonly params: Params
}

type Plan = readonly Step[] | 'not plain'

/**
 * Where a machine has its quicker self. Not in a `WeakMap` of all machines: until a full collection, one of these holds the
 * values of keys that nothing else holds any more.
 */
const quickened = Symbol('quickened')

/** The same machine, quicker; any other logic as it is. */
export function quick(logic: AnyActorLogic): AnyActorLogic {
  if (!('getTransitionData' in logic)) return logic
  const { [quickened]: known } = logic as { readonly [quickened]?: AnyActorLogic }
  if (known !== undefined) return known
  const machine = logic as unknown as Machine
  // By machine: its variants share their transitions, and not what they do.
  const plans = new Map<Transition, Plan>()
  const made: AnyActorLogic = copyOf(logic, {
    transition: (snapshot: Snapshot, event: { readonly type: string }, scope: Scope) =>
      plainly(machine, plans, snapshot, event, scope) ?? machine.transition(snapshot, event, detachedScope(scope)),
    getInitialSnapshot: (scope: Scope, input: unknown) => machine.getInitialSnapshot(detachedScope(scope), input),
  })
  // Not enumerable, so that a copy of the machine does not take it for its own.
  Object.defineProperty(logic, quickened, { value: made })
  return made
}

/** The snapshot after the event; undefined, and nothing done, where it is not plain. */
function plainly(
  machine: Machine,
  plans: Map<Transition, Plan>,
  snapshot: Snapshot,
  event: { readonly type: string },
  scope: Scope,
) {
  const { type } = event
  // Of XState's own events only timers may be plain.
  if (type.startsWith('xstate.') && !type.startsWith('xstate.after.')) return undefined
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

function planOf(machine: Machine, transition: Transition): Plan {
  const actions = actionsOf(transition)
  if (actions === undefined) return 'not plain'
  const plan: Step[] = []
  for (const action of actions) {
    const named = typeof action === 'string' ? { type: action, params: undefined } : action
    const run = typeof named === 'function' ? named : machine.implementations.actions[named.type]
    if (run === undefined) continue
    if (!isOneStep(run)) return 'not plain'
    plan.push({ run, params: typeof named === 'function' ? undefined : named.params })
  }
  return plan
}

/** What is done when no state is left, or one only to be entered again; undefined where there is more to it. */
function actionsOf({ source, target, reenter, actions }: Transition): readonly Action[] | undefined {
  if (target === undefined) return reenter ? undefined : actions
  const isAgain = reenter && target.length === 1 && target[0] === source && source.parent?.type === 'compound'
  if (!isAgain || source.type !== 'atomic' || source.invoke.length > 0) return undefined
  return [...source.exit, ...actions, ...source.entry]
}

/** Whether nothing follows from it within the same event: a `raise` without a delay is another event. */
function isOneStep({ type, delay, resolve }: Implementation): boolean {
  if (resolve === undefined) return true
  return type === 'xstate.assign' || type === 'xstate.cancel' || (type === 'xstate.raise' && delay !== undefined)
}

function follow(plan: readonly Step[], before: Snapshot, event: { readonly type: string }, scope: Scope): Snapshot {
  const { self, system } = scope
  let snapshot = before
  for (const { run, params } of plan) {
    const { context } = snapshot
    const given = typeof params === 'function' ? params({ context, event }) : params
    const args = { context, event, self, system }
    if (run.resolve === undefined) run(args, given)
    else if (run.type === 'xstate.assign') snapshot = updated(snapshot, args, given, run as never)
    else {
      const internalQueue: object[] = []
      const [, resolved] = run.resolve(scope, snapshot, args, given, run, { internalQueue })
      if (internalQueue.length > 0) throw new Error(`on ${event.type} a delay is given that is not a number`)
      run.execute?.(scope, resolved)
    }
  }
  return snapshot
}
