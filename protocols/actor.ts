/**
 * `/omx/actor/1`: the runtime's frames between two nodes, on one long-lived stream per peer and direction.
 * The sender is never part of a frame: the receiver stamps it from the connection's peer id.
 */
import type { Exit } from './exit.ts'
import type { Message } from './ref.ts'

export const actorProtocol = '/omx/actor/1'

interface Addressed {
  /** Path on the receiving node. */
  readonly to: string
  /** The incarnation meant; 0 means whichever lives there now. */
  readonly epoch: number
  readonly message: Message
  /** Hex trace id of the work that caused this message, or ''. */
  readonly traceId: string
  /** What remains of the sender's deadline in ms when the frame was written; 0 means none. Clocks differ, so never a time. */
  readonly remainingMs: number
}

/** Why a message could not be handed to its actor. */
export type Undelivered = 'absent' | 'full' | 'expired' | 'unreachable' | 'invalid'

/** Why an ask will not be answered. */
export type AskRefusal = Undelivered | 'down'

export type ActorFrame =
  | ({ readonly kind: 'tell' } & Addressed)
  | ({ readonly kind: 'ask'; readonly ask: number } & Addressed)
  | { readonly kind: 'reply'; readonly ask: number; readonly message: Message }
  | { readonly kind: 'refused'; readonly ask: number; readonly why: AskRefusal }
  /** `epoch` 0 asks for whichever incarnation lives there; after a lost link the known one is named again. */
  | { readonly kind: 'watch'; readonly watch: number; readonly to: string; readonly epoch: number }
  /** The answer to `watch`: the incarnation that is now watched. */
  | { readonly kind: 'watched'; readonly watch: number; readonly epoch: number }
  | { readonly kind: 'unwatch'; readonly watch: number }
  | { readonly kind: 'down'; readonly watch: number; readonly epoch: number; readonly exit: Exit }
