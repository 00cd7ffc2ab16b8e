/** An actor's own door to the runtime, found from inside its actions and its promises. */
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import type { Spec } from './cell.ts'

export interface TellOptions {
  /** Monotonic time after which the message is not worth handling. */
  readonly deadlineMs?: number
  /** The work that this belongs to; by default that of the message being handled. */
  readonly traceId?: string
}

export interface Door {
  readonly self: Ref
  readonly node: NodeId
  /** Fire and forget. False: it surely was not delivered (and is a dead letter); true promises nothing. */
  tell(to: Ref, message: Message, options?: TellOptions): boolean
  /** Rejects with an AskError: refused, timed out, or the asked incarnation or its node ended. */
  ask(to: Ref, message: Message, timeoutMs: number): Promise<Message>
  /** Starts an actor under this one, or under another of this node (a manager under its workers' supervisor). */
  spawn(spec: Spec, under?: Ref): Ref
  stop(ref: Ref): Promise<void>
  /** Yields one `actor.down` when the current incarnation of `ref` ends. */
  watch(ref: Ref): void
  unwatch(ref: Ref): void
  /** The ref of a path on this node. */
  local(path: string): Ref
  monotonicMs(): number
  wallMs(): number
  random(): number
  /** A fresh number that rises over this node's restarts. */
  nextId(): number
}

/** Where an actor's system has its door, or what builds it: many actors never need theirs. */
const door = Symbol('door')

interface System {
  [door]?: Door | (() => Door)
}

/** Called once per incarnation, before it starts. */
export function openDoor(system: object, build: () => Door): void {
  ;(system as System)[door] = build
}

/**
 * Inside an action, a callback or a promise: this actor's door. Not inside a context factory or an `assign` of the
 * initial state, which run while the actor is being built; those are pure anyway.
 */
export function here(system: object): Door {
  const found = (system as System)[door]
  if (found === undefined) throw new Error('here() was called outside an actor, or while it was being built')
  if (typeof found === 'object') return found
  const built = found()
  ;(system as System)[door] = built
  return built
}
