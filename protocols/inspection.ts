/**
 * What an inspector answers, over a link and over HTTP alike: rows of actors, counters, open asks, recent facts. Times are
 * milliseconds. What follows a node of an earlier version does not send; unknown fields are ignored.
 */
import { Type } from 'typebox'

/** Rows of one answer. 4,096 rows of 250 bytes fill a frame; who sends longer ones sends fewer. */
const maxRows = 4096
/** Promises of one actor that are shown. */
const maxInspectedPromises = 16

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const milliseconds = Type.Number({ minimum: 0 })
const path = Type.String({ maxLength: 256 })
const ref = Type.String({ maxLength: 256 + 128 + 1 })
const name = Type.String({ maxLength: 256 })
const exit = Type.String({ maxLength: 1024 })

export const inspectedActor = Type.Object({
  /** A supervisor's children begin with its own path and a slash. */
  path,
  /** The machine's state; dots join nested ones. */
  state: name,
  /** Messages in its mailbox. */
  waiting: count,
  restarts: count,
  epoch: count,
  /** How its previous incarnation ended, in words; null when it has had none. */
  lastExit: Type.Union([exit, Type.Null()]),
  born: Type.Optional(count),
  /** Messages that its mailbox takes. */
  capacity: Type.Optional(count),
  /** Since its address came to be: messages handled, and dead letters to it. */
  handled: Type.Optional(count),
  refused: Type.Optional(count),
  /** How long its oldest message has waited; null: none does, or nobody looked when it came. */
  oldestMs: Type.Optional(Type.Union([milliseconds, Type.Null()])),
  /** Its longest handler; null: none was timed, which they are only while somebody looks. */
  longestMs: Type.Optional(Type.Union([milliseconds, Type.Null()])),
  /** Answers that it owes. */
  owes: Type.Optional(count),
  /** Promises that it invoked and that still run. */
  runs: Type.Optional(Type.Array(Type.Object({ name, forMs: milliseconds }), { maxItems: maxInspectedPromises })),
})

/** Reasons are names that a later version may add to. */
const byReason = Type.Record(Type.String({ maxLength: 64 }), count, { maxProperties: 64 })

/** All but the time and the open asks only rise. */
export const nodeCounters = Type.Object({
  /** Monotonic time of the node when they were read: two readings make a rate. */
  atMs: milliseconds,
  told: count,
  handled: count,
  restarts: count,
  links: count,
  asks: count,
  asksOpen: count,
  asksFailed: byReason,
  deadLetters: byReason,
  rejected: Type.Record(Type.String({ maxLength: 128 }), count, { maxProperties: 512 }),
})

/** An actor whose address is gone. */
export const deadActor = Type.Object({ path, epoch: count, restarts: count, handled: count, exit, agoMs: milliseconds })

/** Who waits for whom. `asker` is a path of the answering node; null: asked from outside its actors. */
export const openAsk = Type.Object({
  ask: ref,
  asker: Type.Union([path, Type.Null()]),
  asked: ref,
  type: name,
  ageMs: milliseconds,
  leftMs: milliseconds,
})

const recordedFact = Type.Object({
  sequence: count,
  /** Since 1970. */
  atMs: milliseconds,
  /** started, exited, slow, deadLetter, rejected, escalated; a later version may know more. */
  kind: Type.String({ maxLength: 64 }),
  /** A path, the ref of another node's actor, or a peer. */
  subject: ref,
  detail: Type.String({ maxLength: 1024 }),
  count,
})

export const inspectorTree = Type.Object({
  actors: Type.Array(inspectedActor, { maxItems: maxRows }),
  /** There are more actors: ask again, with this as `after`. */
  next: Type.Optional(count),
  /** With the last page. */
  counters: Type.Optional(nodeCounters),
  dead: Type.Optional(Type.Array(deadActor, { maxItems: maxRows })),
})

export const inspectorWaiting = Type.Object({
  asks: Type.Array(openAsk, { maxItems: maxRows }),
  owed: Type.Array(Type.Object({ ask: ref, by: path }), { maxItems: maxRows }),
  /** Younger asks that did not fit. */
  leftOut: count,
})

export const inspectorNews = Type.Object({
  facts: Type.Array(recordedFact, { maxItems: maxRows }),
  /** For the next question. */
  cursor: count,
  /** Facts after the given cursor that are no longer kept. */
  missed: count,
})
