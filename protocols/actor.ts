/**
 * `/omx/actor/1`: the runtime's frames between two nodes, on one long-lived stream per peer and direction.
 * The sender is never part of a frame: the receiver stamps it from the connection's peer id.
 */
import { decode, encode } from './codec.ts'
import type { Exit } from './exit.ts'
import { ProtocolError } from './protocol-error.ts'
import { type Message, maxPathLength } from './ref.ts'
import type { CodecLimits } from './scan.ts'

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

/** Every way in which an ask may end without a reply. */
export type AskFailure = AskRefusal | 'timeout'

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

/** Decisions are small; what is larger is data and has a stream of its own. The largest message is `models.shown`. */
export const maxActorFrameBytes = 1024 * 1024

/** 65,536 values: an inspector's page of 1,024 actors with two dozen fields each. */
const limits: CodecLimits = { maxBytes: maxActorFrameBytes, maxDepth: 16, maxValues: 65_536 }

/** Hex of a W3C trace id is 32 characters. */
const maxTraceIdLength = 64

const maxMessageTypeLength = 64

/** What travels of a failure: enough to read, too little to fill a link. */
const maxFailureNameLength = 128
const maxFailureMessageLength = 4096

const refusals: readonly AskRefusal[] = ['absent', 'full', 'expired', 'unreachable', 'invalid', 'down']

/** First element of a frame's array. Numbers are never reused for another meaning. */
const marks = { tell: 0, ask: 1, reply: 2, refused: 3, watch: 4, watched: 5, unwatch: 6, down: 7 } as const

/**
 * The body of one frame, without stream framing: an array, so that no field name travels with each message.
 * An exit loses its stack and its output. Throws ProtocolError `too-large` above `maxActorFrameBytes`.
 */
export function encodeActorFrame(frame: ActorFrame): Uint8Array {
  const body = encode(arrayOf(frame))
  if (body.length > maxActorFrameBytes) {
    throw new ProtocolError('too-large', `a ${frame.kind} frame of ${body.length} bytes; at most ${maxActorFrameBytes}`)
  }
  return body
}

/** The frame in a body from a peer. Further elements are ignored: a later version may append. Throws ProtocolError. */
export function decodeActorFrame(bytes: Uint8Array): ActorFrame {
  const value = decode(bytes, limits)
  if (!Array.isArray(value)) throw new ProtocolError('shape', 'a frame that is not an array')
  const fields = value as readonly unknown[]
  switch (fields[0]) {
    case marks.tell:
      return { kind: 'tell', ...addressed(fields, 1) }
    case marks.ask:
      return { kind: 'ask', ask: counter(fields[1], 'ask'), ...addressed(fields, 2) }
    case marks.reply:
      return { kind: 'reply', ask: counter(fields[1], 'ask'), message: messageOf(fields[2]) }
    case marks.refused:
      return { kind: 'refused', ask: counter(fields[1], 'ask'), why: refusalOf(fields[2]) }
    case marks.watch:
      return {
        kind: 'watch',
        watch: counter(fields[1], 'watch'),
        to: text(fields[2], maxPathLength, 'to'),
        epoch: counter(fields[3], 'epoch'),
      }
    case marks.watched:
      return { kind: 'watched', watch: counter(fields[1], 'watch'), epoch: counter(fields[2], 'epoch') }
    case marks.unwatch:
      return { kind: 'unwatch', watch: counter(fields[1], 'watch') }
    case marks.down:
      return {
        kind: 'down',
        watch: counter(fields[1], 'watch'),
        epoch: counter(fields[2], 'epoch'),
        exit: exitOf(fields[3]),
      }
    default:
      throw new ProtocolError('shape', 'a frame of no known kind')
  }
}

function arrayOf(frame: ActorFrame): unknown[] {
  switch (frame.kind) {
    case 'tell':
      return [marks.tell, frame.to, frame.epoch, frame.message, frame.traceId, frame.remainingMs]
    case 'ask':
      return [marks.ask, frame.ask, frame.to, frame.epoch, frame.message, frame.traceId, frame.remainingMs]
    case 'reply':
      return [marks.reply, frame.ask, frame.message]
    case 'refused':
      return [marks.refused, frame.ask, frame.why]
    case 'watch':
      return [marks.watch, frame.watch, frame.to, frame.epoch]
    case 'watched':
      return [marks.watched, frame.watch, frame.epoch]
    case 'unwatch':
      return [marks.unwatch, frame.watch]
    case 'down':
      return [marks.down, frame.watch, frame.epoch, arrayOfExit(frame.exit)]
  }
}

function arrayOfExit(exit: Exit): unknown[] {
  if (exit.kind !== 'crash') return [exit.kind]
  const { name, message } = exit.failure
  return [exit.kind, clip(name, maxFailureNameLength), clip(message, maxFailureMessageLength)]
}

/** At most `length` UTF-16 units, never half of a pair. */
function clip(value: string, length: number): string {
  return value.slice(0, length).toWellFormed()
}

function addressed(fields: readonly unknown[], from: number): Addressed {
  return {
    to: text(fields[from], maxPathLength, 'to'),
    epoch: counter(fields[from + 1], 'epoch'),
    message: messageOf(fields[from + 2]),
    traceId: text(fields[from + 3], maxTraceIdLength, 'traceId'),
    remainingMs: counter(fields[from + 4], 'remainingMs'),
  }
}

function counter(value: unknown, field: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new ProtocolError('shape', `${field} is not a number of 0 or more`)
}

function text(value: unknown, maxLength: number, field: string): string {
  if (typeof value === 'string' && value.length <= maxLength) return value
  throw new ProtocolError('shape', `${field} is not a text of at most ${maxLength} characters`)
}

function messageOf(value: unknown): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new ProtocolError('shape', 'a message that is not an object')
  }
  text((value as { readonly type?: unknown }).type, maxMessageTypeLength, 'message.type')
  return value as Message
}

function refusalOf(value: unknown): AskRefusal {
  const refusal = refusals.find((known) => known === value)
  if (refusal !== undefined) return refusal
  throw new ProtocolError('shape', 'a refusal without a known reason')
}

function exitOf(value: unknown): Exit {
  const fields: readonly unknown[] = Array.isArray(value) ? value : []
  switch (fields[0]) {
    case 'normal':
    case 'shutdown':
    case 'unreachable':
    case 'absent':
      return { kind: fields[0] }
    case 'crash': {
      const name = text(fields[1], maxFailureNameLength, 'exit.name')
      return { kind: 'crash', failure: { name, message: text(fields[2], maxFailureMessageLength, 'exit.message') } }
    }
    default:
      throw new ProtocolError('shape', 'an exit of no known kind')
  }
}
