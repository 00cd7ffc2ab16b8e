/**
 * The only door to XState: everything the project uses of it, named in one file. Machines import from here. What it leaves
 * out for speed, here and in `provide.ts`, `quick-transition.ts` and `detached-scope.ts`, rests on what is inside of the release that
 * `package.json` pins; `test/runtime` compares each with XState's own, and says what a new release breaks.
 */
import { type AnyActor, fromPromise as promiseLogic, assign as xstateAssign, setup as xstateSetup } from 'xstate'
import { withVariants } from './provide.ts'

export {
  type AnyActor,
  type AnyActorLogic,
  createActor,
  fromCallback,
  fromTransition,
  raise,
  sendTo,
} from 'xstate'

/** XState's, with machines whose `provide` costs little. */
export const setup = ((given: never) => {
  const made = xstateSetup(given)
  return { ...made, createMachine: (config: never) => withVariants(made.createMachine(config) as never) }
}) as unknown as typeof xstateSetup

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
  const { children = {} } = actor.getSnapshot() as { children?: Record<string, AnyActor | undefined> }
  const running: { name: string; sinceMs: number }[] = []
  const note = (ref: AnyActor): void => {
    const sinceMs = beginnings.get(ref)
    if (sinceMs === undefined || ref.getSnapshot().status !== 'active') return
    running.push({ name: typeof ref.src === 'string' ? ref.src : 'promise', sinceMs })
  }
  note(actor)
  for (const id in children) if (children[id] !== undefined) note(children[id])
  return running
}

/** An `assign` action, as XState keeps it. */
interface Assignment {
  readonly assignment: object | ((args: object, params: unknown) => object)
}

/** The snapshot with what the action assigns; the same one where that changes nothing. */
export function updated<S extends { readonly context: object }>(
  snapshot: S,
  args: object,
  params: unknown,
  { assignment }: Assignment,
): S {
  const update = typeof assignment === 'function' ? assignment(args, params) : each(assignment, args, params)
  for (const key in update) {
    if (update[key as never] !== snapshot.context[key as never]) {
      return { ...snapshot, context: { ...snapshot.context, ...update } }
    }
  }
  return snapshot
}

function each(assignment: object, args: object, params: unknown): object {
  const update: Record<string, unknown> = {}
  for (const key in assignment) {
    const value: unknown = assignment[key as never]
    update[key] = typeof value === 'function' ? value(args, params) : value
  }
  return update
}

/**
 * XState's, but a state's value and tags are not worked out anew for every assignment, which was a third of what a
 * message cost. What it assigns may not `spawn`: `here` does that.
 */
export const assign: typeof xstateAssign = (assignment) =>
  Object.assign(xstateAssign(assignment), {
    resolve: (_: unknown, snapshot: { context: object }, args: object, params: unknown, action: Assignment) => [
      updated(snapshot, args, params, action),
      undefined,
      undefined,
    ],
  })
