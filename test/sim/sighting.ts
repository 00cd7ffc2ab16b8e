/** What a node does that is no fact of its runtime, and that checkers must know all the same. */
import type { AttemptEvent } from '../../actors/task.ts'
import type { InferFrame } from '../../protocols/infer.ts'
import type { NodeId, Ref } from '../../protocols/ref.ts'

/** One attempt of an entry node to have a request served. */
export interface Attempt {
  /** Of the request. */
  readonly id: string
  /** Who is asked. */
  readonly node: NodeId
  /** Its task has moved on, or has ended. */
  left: boolean
}

export type Sighting =
  | { readonly kind: 'watched' | 'unwatched'; readonly ref: Ref; readonly target: Ref }
  /** A frame that the runtime gave to its carrier; false: not taken. */
  | { readonly kind: 'sent'; readonly to: NodeId; readonly bytes: number; readonly isTaken: boolean }
  /** A timer of an actor's machine: given up with its actor, or due when that had ended. */
  | { readonly kind: 'timerDropped' | 'timerLate'; readonly ref: Ref; readonly event: string }
  | { readonly kind: 'attemptBegan' | 'attemptLeft'; readonly attempt: Attempt }
  /** What it tells its task. */
  | { readonly kind: 'attemptTold'; readonly attempt: Attempt; readonly event: AttemptEvent }
  /** What it puts into the response: that a worker has accepted, or a frame. */
  | { readonly kind: 'carried'; readonly attempt: Attempt; readonly what: 'accept' | InferFrame }
  | { readonly kind: 'responseEnded'; readonly id: string; readonly frame: InferFrame }

export type OnSighting = (sighting: Sighting) => void
