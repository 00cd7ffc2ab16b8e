/** The request of `/omx/infer/1` as bytes: a map, so that a later version may add fields that this one ignores. */
import { Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { bytesOfTokens, decode, encode, tokensOfBytes } from './codec.ts'
import type { InferRequest, InferWork } from './infer.ts'
import { ProtocolError } from './protocol-error.ts'
import { type CodecLimits, scan } from './scan.ts'

/** A context of a million tokens in text and in ids, several times over; small enough to hold one per stream. */
export const maxInferRequestBytes = 32 * 1024 * 1024

/** Containers inside containers: a tool's schema in a list of tools. Deeper ones would be refused by every engine. */
export const maxNesting = 64

/** Token ids travel as one value each run, so what counts here is messages, inputs and options. */
const limits: CodecLimits = { maxBytes: maxInferRequestBytes, maxDepth: maxNesting, maxValues: 65_536 }

export const maxMessages = 8192
/** Of one message; and functions that a model may choose from, calls that it may make at once. */
const maxImages = 256
const maxTools = 1024
const maxToolCalls = 1024
/** Alternatives for a token, as Ollama's API allows. */
const maxTopLogprobs = 20
export const maxInputs = 8192
export const maxOptions = 128

const shortText = Type.String({ maxLength: 512 })
const longText = Type.String({ maxLength: maxInferRequestBytes })
/** Bytes: checked where they are turned into token ids. */
const tokenBytes = Type.Unknown()

const images = Type.Optional(
  Type.Array(
    Type.Refine(Type.Unknown(), (value) => value instanceof Uint8Array),
    { maxItems: maxImages },
  ),
)

const anyObject = Type.Record(Type.String(), Type.Unknown())

const chatMessage = Type.Object({
  role: shortText,
  content: longText,
  thinking: Type.Optional(longText),
  images,
  toolCalls: Type.Optional(
    Type.Array(
      Type.Object({ id: shortText, index: Type.Integer({ minimum: 0 }), name: shortText, arguments: anyObject }),
      { maxItems: maxToolCalls },
    ),
  ),
  toolName: Type.Optional(shortText),
  toolCallId: Type.Optional(shortText),
})

const tool = Type.Object({
  type: shortText,
  function: Type.Object({
    name: shortText,
    description: Type.Optional(longText),
    parameters: Type.Optional(anyObject),
  }),
})

const wishes = {
  format: Type.Optional(Type.Union([Type.Literal('json'), anyObject])),
  think: Type.Optional(
    Type.Union([Type.Boolean(), ...(['low', 'medium', 'high', 'max'] as const).map((level) => Type.Literal(level))]),
  ),
}

const work = Type.Union([
  Type.Object({
    kind: Type.Literal('generate'),
    prompt: longText,
    suffix: Type.Optional(longText),
    system: Type.Optional(longText),
    template: Type.Optional(longText),
    raw: Type.Boolean(),
    context: Type.Optional(tokenBytes),
    images,
    ...wishes,
  }),
  Type.Object({
    kind: Type.Literal('chat'),
    messages: Type.Array(chatMessage, { maxItems: maxMessages }),
    tools: Type.Optional(Type.Array(tool, { maxItems: maxTools })),
    ...wishes,
  }),
  Type.Object({
    kind: Type.Literal('embed'),
    input: Type.Array(longText, { maxItems: maxInputs }),
    truncate: Type.Boolean(),
    dimensions: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
    normalize: Type.Boolean(),
  }),
  Type.Object({ kind: Type.Literal('load') }),
])

const inferRequest = Type.Object({
  id: shortText,
  traceId: shortText,
  model: shortText,
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  work,
  options: Type.Record(Type.String(), Type.Unknown(), { maxProperties: maxOptions }),
  keepAliveMs: Type.Optional(Type.Number({ minimum: -1 })),
  remainingMs: Type.Number({ minimum: 0 }),
  resume: Type.Optional(Type.Object({ tokens: tokenBytes })),
  truncate: Type.Optional(Type.Boolean()),
  shift: Type.Optional(Type.Boolean()),
  logprobs: Type.Optional(Type.Integer({ minimum: 0, maximum: maxTopLogprobs })),
  renderOnly: Type.Optional(Type.Boolean()),
})

/** How "stays loaded for ever" is written: a number in every language. */
const forever = -1

let validator: Validator | undefined

/**
 * Throws ProtocolError `too-large` above `maxInferRequestBytes`, and for whatever else a worker would take for a breach of
 * the protocol: what a client may send is not this node's fault.
 */
export function encodeInferRequest(request: InferRequest): Uint8Array {
  const value = {
    ...request,
    work: packWork(request.work),
    keepAliveMs: request.keepAliveMs === Number.POSITIVE_INFINITY ? forever : request.keepAliveMs,
    resume: request.resume === undefined ? undefined : { tokens: bytesOfTokens(request.resume.tokens) },
  }
  checkShape(value)
  const bytes = encode(value)
  if (bytes.length > maxInferRequestBytes) {
    throw new ProtocolError('too-large', `a request of ${bytes.length} bytes; at most ${maxInferRequestBytes}`)
  }
  scan(bytes, limits)
  return bytes
}

/** Throws ProtocolError for anything that is not a request. */
function checkShape(value: unknown): void {
  validator ??= Compile(inferRequest) as unknown as Validator
  if (validator.Check(value)) return
  // A union complains of each of its branches, mostly that the kind is another: the one that fits best went deepest.
  const paths = validator.Errors(value).map(({ instancePath }) => instancePath)
  const [deepest = ''] = paths.toSorted((left, right) => depthOf(right) - depthOf(left))
  const field = deepest.slice(1).replaceAll('/', '.')
  throw new ProtocolError('shape', `a request with a missing or invalid field: ${field}`)
}

const depthOf = (path: string): number => (path.endsWith('/kind') ? 0 : path.split('/').length)

/** Throws ProtocolError for anything that is not a request. */
export function decodeInferRequest(bytes: Uint8Array): InferRequest {
  const value = decode(bytes, limits)
  checkShape(value)
  const request = value as unknown as InferRequest
  return {
    ...request,
    work: unpackWork(request.work),
    ...(request.keepAliveMs === undefined ? {} : { keepAliveMs: keepAliveOf(request.keepAliveMs) }),
    ...(request.resume === undefined ? {} : { resume: { tokens: unpackTokens(request.resume.tokens, 'resume') } }),
  }
}

function keepAliveOf(written: number): number {
  return written < 0 ? Number.POSITIVE_INFINITY : written
}

function packWork(work: InferWork): object {
  if (work.kind !== 'generate' || work.context === undefined) return work
  return { ...work, context: bytesOfTokens(work.context) }
}

function unpackWork(work: InferWork): InferWork {
  if (work.kind !== 'generate' || work.context === undefined) return work
  return { ...work, context: unpackTokens(work.context, 'context') }
}

function unpackTokens(value: unknown, field: string): number[] {
  if (value instanceof Uint8Array) return tokensOfBytes(value)
  throw new ProtocolError('shape', `${field} is not a run of token ids`)
}
