/**
 * The only door to XState: everything the project uses of it, named in one file, so that a new major version is one
 * file's work. Machines import from here.
 */
import { type AnyActor, fromPromise as promiseLogic, assign as xstateAssign } from 'xstate'

export {
  type AnyActor,
  type AnyActorLogic,
  createActor,
  fromCallback,
  fromTransition,
  raise,
  sendTo,
  setup,
} from 'xstate'

/** For every machine: an endless loop of eventless transitions is a crash, where XState's default is to loop for ever. */
export const machineOptions = { maxIterations: 1000 } as const

/** When each promise that an actor invoked was begun, in monotonic time. */
const beginnings = new WeakMap<object, number>()

/** XState's, noting when each promise begins: it is the one thing in an actor that may take long. */
export const fromPromise: typeof promiseLogic = (create) =>
  promiseLogic((given) => {
    beginnings.set(given.self, nowMs(given.self))
    return create(given)
  })

/** The runtime's clock; an actor that was started without it has none. */
const nowMs = (self: object): number => (self as { clock?: { monotonicMs?(): number } }).clock?.monotonicMs?.() ?? 0

/** The promises that this actor invoked and that still run: what they are called, and when they began. */
export function promisesOf(actor: AnyActor): { readonly name: string; readonly sinceMs: number }[] {
  const snapshot = actor.getSnapshot() as { children?: Record<string, AnyActor | undefined> }
  return [actor, ...Object.values(snapshot.children ?? {})].flatMap((ref) => {
    const sinceMs = ref === undefined ? undefined : beginnings.get(ref)
    if (ref === undefined || sinceMs === undefined || ref.getSnapshot().status !== 'active') return []
    return [{ name: typeof ref.src === 'string' ? ref.src : 'promise', sinceMs }]
  })
}

interface Assigned {
  readonly context: object
}

/** What XState calls when it comes to an `assign` action. */
type Resolve = (
  scope: unknown,
  snapshot: Assigned,
  args: object,
  params: unknown,
  action: { readonly assignment: unknown },
) => readonly [snapshot: Assigned, params: undefined, actions: undefined]

/**
 * XState's, without what it does for machines that spawn while they assign, which none here does: it works out the value
 * and the tags of a state anew for every assignment, which was a third of a message's cost. An assignment that changes
 * nothing gives back the snapshot that was.
 */
export const assign: typeof xstateAssign = (assignment) =>
  Object.assign(xstateAssign(assignment), { resolve: assigned as Resolve })

const assigned: Resolve = (_scope, snapshot, args, params, { assignment }) => {
  const update = typeof assignment === 'function' ? assignment(args, params) : each(assignment as object, args, params)
  const { context } = snapshot
  const isNews = Object.keys(update).some((key) => update[key] !== context[key as keyof typeof context])
  return [isNews ? { ...snapshot, context: { ...context, ...update } } : snapshot, undefined, undefined]
}

function each(assignment: object, args: object, params: unknown): Record<string, unknown> {
  const values = Object.entries(assignment).map(([key, value]) => [
    key,
    typeof value === 'function' ? value(args, params) : value,
  ])
  return Object.fromEntries(values)
}
