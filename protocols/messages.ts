/**
 * Every message that may cross `/omx/actor/1`: what it is called, which path may hear it from whom, what it holds and
 * what answers it. Anything else is refused, so a peer reaches no actor that this table does not open to it.
 */
import { type TSchema, Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { maxOptions } from './infer-request.ts'
import { inspectorNews, inspectorTree, inspectorWaiting } from './inspection.ts'
import { ProtocolError } from './protocol-error.ts'
import { type Message, type NodeId, nodeOf } from './ref.ts'
import { nodeReport } from './report.ts'

/** Who may send: a member is any peer that the connection policy admits. */
type SenderClass = 'member'

interface RemoteMessage {
  /** Where it may go: a path; `{sender}` is the sending peer's id, a closing `/*` one more segment or several. */
  readonly to: string
  readonly sender: SenderClass
  readonly schema: TSchema
  /** The answer's type, when this is asked and not told. */
  readonly reply?: string
  /** What a schema cannot say. */
  readonly permits?: (message: Message, sender: NodeId) => boolean
}

const maxAddresses = 32
/** Claims in one message: what is spread by rumour is small. */
const maxClaims = 64
/** Rows of a membership exchange: 1,024 of 300 bytes fill a third of a frame. */
export const maxMemberRows = 1024
export const maxAddressesPerMember = 3
/** Characters of `/api/show`'s JSON in one answer: at three bytes each they fill three quarters of a frame. */
export const maxShowPiece = 256 * 1024

/** Characters of what prevented something on another node. */
export const maxProblemLength = 1024

/** Characters of a system text that is to be shown instead of a model's. */
export const maxShownSystem = 64 * 1024

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const name = Type.String({ maxLength: 256 })
const address = Type.String({ maxLength: 256 })
const peerId = Type.String({ minLength: 1, maxLength: 128 })
const path = Type.String({ maxLength: 256 })
const ref = Type.String({ maxLength: 256 + 128 + 1 })
const stateName = Type.String({ maxLength: 256 })

const peerHello = Type.Object({
  name,
  software: name,
  /** Identifies one run of the sender's process: another boot is a restart. */
  boot: count,
  /** Whether this answers a hello; only a first one is answered. */
  answer: Type.Boolean(),
  /** Rises with each run, and when its node denies that it is gone: see `actors/claims.ts`. */
  incarnation: count,
  addresses: Type.Array(address, { maxItems: maxAddresses }),
  report: nodeReport,
})

const claimStatus = Type.Union([
  Type.Literal('alive'),
  Type.Literal('suspect'),
  Type.Literal('unreachable'),
  Type.Literal('departed'),
])

const claim = Type.Object({ node: peerId, incarnation: count, status: claimStatus })

const memberRow = Type.Object({
  node: peerId,
  incarnation: count,
  status: claimStatus,
  /** Of the newest report that is known; 0: none. */
  version: count,
  addresses: Type.Array(address, { maxItems: maxAddressesPerMember }),
})

const inspectorSubscription = Type.Object({ path, subscriber: ref })

/** A follower is told about one of this node's actors, so it must be one of the sender's own. */
const subscribesItself = (message: Message, sender: NodeId): boolean => nodeOf(String(message.subscriber)) === sender

/** Told and asked. */
const requests: Readonly<Record<string, RemoteMessage>> = {
  'peer.hello': { to: 'node/peers/{sender}', sender: 'member', schema: peerHello },
  'peer.heartbeat': {
    to: 'node/peers/{sender}',
    sender: 'member',
    schema: Type.Object({
      incarnation: count,
      reportVersion: count,
      /** A probe wants an answer. */
      kind: Type.Union([Type.Literal('beat'), Type.Literal('probe'), Type.Literal('answer')]),
    }),
  },
  /** About a third node: when was it heard? Its actor on the asked node answers. */
  'peer.heard': { to: 'node/peers/*', sender: 'member', schema: Type.Object({}), reply: 'peer.hearing' },
  'members.claims': {
    to: 'node/membership',
    sender: 'member',
    schema: Type.Object({ claims: Type.Array(claim, { maxItems: maxClaims }) }),
  },
  /** The whole membership state in one line; who has another one answers with its rows. */
  'members.compare': {
    to: 'node/membership',
    sender: 'member',
    schema: Type.Object({ fingerprint: Type.String({ maxLength: 64 }) }),
    reply: 'members.rows',
  },
  'peer.goodbye': { to: 'node/peers/{sender}', sender: 'member', schema: Type.Object({}) },
  'report.request': { to: 'node/reporter', sender: 'member', schema: Type.Object({}), reply: 'report.full' },
  'health.probe': { to: 'node/health', sender: 'member', schema: Type.Object({}), reply: 'health.state' },
  'models.show': {
    to: 'node/models',
    sender: 'member',
    schema: Type.Object({
      name,
      verbose: Type.Boolean(),
      offset: count,
      system: Type.Optional(Type.String({ maxLength: maxShownSystem })),
      options: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { maxProperties: maxOptions })),
    }),
    reply: 'models.shown',
  },
  'models.copy': {
    to: 'node/models',
    sender: 'member',
    schema: Type.Object({ source: name, destination: name }),
    reply: 'models.changed',
  },
  'models.delete': { to: 'node/models', sender: 'member', schema: Type.Object({ name }), reply: 'models.changed' },
  'engine.unload': {
    to: 'node/worker',
    sender: 'member',
    schema: Type.Object({ digest: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
    reply: 'engine.unloaded',
  },
  'inspector.snapshot': {
    to: 'node/inspector',
    sender: 'member',
    schema: Type.Object({ after: Type.Optional(count) }),
    reply: 'inspector.tree',
  },
  'inspector.waits': { to: 'node/inspector', sender: 'member', schema: Type.Object({}), reply: 'inspector.waiting' },
  'inspector.recent': {
    to: 'node/inspector',
    sender: 'member',
    schema: Type.Object({ cursor: Type.Optional(count) }),
    reply: 'inspector.news',
  },
  'inspector.follow': {
    to: 'node/inspector',
    sender: 'member',
    schema: inspectorSubscription,
    reply: 'inspector.following',
    permits: subscribesItself,
  },
  'inspector.unfollow': {
    to: 'node/inspector',
    sender: 'member',
    schema: inspectorSubscription,
    permits: subscribesItself,
  },
  'inspector.transition': {
    to: 'node/inspector/*',
    sender: 'member',
    // No field is called `from`: the runtime writes the sender there.
    schema: Type.Object({
      path,
      before: stateName,
      after: stateName,
      event: stateName,
      atMs: Type.Number({ minimum: 0 }),
    }),
  },
}

/** What answers an ask; addressed to the ask, never to a path. */
const replies = {
  /** How long ago; null: never. */
  'peer.hearing': Type.Object({ agoMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]) }),
  /** Empty when both know the same. */
  'members.rows': Type.Object({ rows: Type.Array(memberRow, { maxItems: maxMemberRows }) }),
  'report.full': Type.Object({ report: nodeReport }),
  'health.state': Type.Object({
    state: Type.Union([Type.Literal('serving'), Type.Literal('draining')]),
    activeTasks: count,
    uptimeMs: Type.Number({ minimum: 0 }),
  }),
  /** A piece of the JSON from the asked offset on, and how long it is in all; null: there is no such model, or a problem. */
  'models.shown': Type.Object({
    piece: Type.Union([Type.String({ maxLength: maxShowPiece }), Type.Null()]),
    totalLength: count,
    problem: Type.Optional(Type.String({ maxLength: maxProblemLength })),
  }),
  /** Whether the name was there, and what prevented the change if something did. */
  'models.changed': Type.Object({
    found: Type.Boolean(),
    problem: Type.Union([Type.String({ maxLength: maxProblemLength }), Type.Null()]),
  }),
  'engine.unloaded': Type.Object({ found: Type.Boolean() }),
  'inspector.following': Type.Object({ found: Type.Boolean() }),
  'inspector.tree': inspectorTree,
  'inspector.waiting': inspectorWaiting,
  'inspector.news': inspectorNews,
} as const

const validators = new Map<TSchema, Validator>()

/** Each schema is compiled when its first message arrives, and once. */
function fits(schema: TSchema, message: Message): boolean {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema) as unknown as Validator
    validators.set(schema, validator)
  }
  return validator.Check(message)
}

/** Why a message from `sender` may not be handed to the actor at `path` of this node; undefined when it may. */
export function checkRemoteMessage(path: string, message: Message, sender: NodeId): ProtocolError | undefined {
  const entry = Object.hasOwn(requests, message.type) ? requests[message.type] : undefined
  if (entry === undefined) {
    return new ProtocolError('unknown-type', `${message.type} is no message that may cross a link (from ${sender})`)
  }
  if (!matches(entry.to, path, sender)) {
    return new ProtocolError('forbidden', `${message.type} may go to ${entry.to}, not to ${path} (from ${sender})`)
  }
  if (!fits(entry.schema, message)) {
    return new ProtocolError('shape', `${message.type} has a missing or invalid field (from ${sender})`)
  }
  if (entry.permits?.(message, sender) === false) {
    return new ProtocolError('forbidden', `${message.type} names an actor that is not the sender's (from ${sender})`)
  }
  return undefined
}

/** Why a message is no answer to an ask of `requestType`; undefined when it is. */
export function checkReply(requestType: string, message: Message): ProtocolError | undefined {
  const expected = Object.hasOwn(requests, requestType) ? requests[requestType]?.reply : undefined
  if (expected === undefined || message.type !== expected) {
    return new ProtocolError('unknown-type', `${message.type} does not answer ${requestType}`)
  }
  const schema = replies[expected as keyof typeof replies]
  return fits(schema, message)
    ? undefined
    : new ProtocolError('shape', `${message.type} has a missing or invalid field`)
}

function matches(pattern: string, path: string, sender: NodeId): boolean {
  if (pattern.endsWith('/*')) return path.startsWith(pattern.slice(0, -1)) && path.length > pattern.length - 1
  return path === pattern.replace('{sender}', () => sender)
}
