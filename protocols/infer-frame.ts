/**
 * The frames of an answer on `/omx/infer/1` as bytes: arrays without field names, checked by hand, because one of them
 * is written and read for every token.
 */
import type { TokenLogprob, ToolCall } from './chat.ts'
import { bytesOfFloats, bytesOfTokens, decode, encode, floatsOfBytes, tokensOfBytes } from './codec.ts'
import type { FailureCode, InferFrame, InferResult, RefusalReason, WorkerLoad } from './infer.ts'
import { readPlainToken } from './plain-token.ts'
import { ProtocolError } from './protocol-error.ts'
import type { CodecLimits } from './scan.ts'

/** The ids of a million prompt tokens, which `done` may carry, or a million tokens' prompt in text; other frames are small. */
export const maxInferFrameBytes = 4 * 1024 * 1024

const limits: CodecLimits = { maxBytes: maxInferFrameBytes, maxDepth: 32, maxValues: 16_384 }

/** First element of a frame's array. Numbers are never reused for another meaning. */
const marks = { accepted: 0, refused: 1, progress: 2, token: 3, embedding: 4, done: 5, failed: 6, rendered: 7 } as const

type Phase = Extract<InferFrame, { kind: 'progress' }>['phase']

const phases: readonly Phase[] = ['loading', 'queued', 'prefill']
const endings: readonly InferResult['reason'][] = ['stop', 'length', 'load']
const refusals: readonly RefusalReason[] = ['busy', 'draining', 'no-such-model', 'insufficient-memory', 'not-admitted']
const failures: readonly FailureCode[] = [
  'invalid-request',
  'context-exceeded',
  'model-unusable',
  'load-failed',
  'engine-crashed',
  'cancelled',
  'deadline',
  'link-lost',
  'stalled',
  'protocol',
  'internal',
]

/** Throws ProtocolError `too-large` above `maxInferFrameBytes`. */
export function encodeInferFrame(frame: InferFrame): Uint8Array {
  const bytes = encode(arrayOf(frame))
  if (bytes.length > maxInferFrameBytes) {
    throw new ProtocolError(
      'too-large',
      `a ${frame.kind} frame of ${bytes.length} bytes; at most ${maxInferFrameBytes}`,
    )
  }
  return bytes
}

/** Further elements are ignored: a later version may append. Throws ProtocolError. */
export function decodeInferFrame(bytes: Uint8Array): InferFrame {
  const plain = readPlainToken(bytes, marks.token)
  if (plain !== undefined) return plain
  const value = decode(bytes, limits)
  if (!Array.isArray(value)) throw new ProtocolError('shape', 'a frame that is not an array')
  const fields = value as readonly unknown[]
  switch (fields[0]) {
    case marks.token:
      return tokenOf(fields)
    case marks.accepted:
      return { kind: 'accepted', load: loadOf(fields, 1) }
    case marks.refused:
      return { kind: 'refused', reason: oneOf(refusals, fields[1]), message: text(fields[2]), load: loadOf(fields, 3) }
    case marks.progress:
      return { kind: 'progress', phase: oneOf(phases, fields[1]), done: count(fields[2]), total: count(fields[3]) }
    case marks.embedding:
      return { kind: 'embedding', index: count(fields[1]), vector: floatsOfBytes(binary(fields[2])) }
    case marks.done:
      return { kind: 'done', ...resultOf(fields) }
    case marks.failed:
      return { kind: 'failed', code: oneOf(failures, fields[1]), message: text(fields[2]) }
    case marks.rendered:
      return { kind: 'rendered', prompt: text(fields[1]), images: count(fields[2]) }
    default:
      throw new ProtocolError('shape', 'a frame of no known kind')
  }
}

function arrayOf(frame: InferFrame): unknown[] {
  switch (frame.kind) {
    case 'token':
      return arrayOfToken(frame)
    case 'accepted':
      return [marks.accepted, frame.load.active, frame.load.waiting, frame.load.slots]
    case 'refused':
      return [marks.refused, frame.reason, frame.message, frame.load.active, frame.load.waiting, frame.load.slots]
    case 'progress':
      return [marks.progress, frame.phase, frame.done, frame.total]
    case 'embedding':
      return [marks.embedding, frame.index, bytesOfFloats(frame.vector)]
    case 'failed':
      return [marks.failed, frame.code, frame.message]
    case 'rendered':
      return [marks.rendered, frame.prompt, frame.images]
    case 'done':
      return [
        marks.done,
        frame.reason,
        frame.promptTokens,
        frame.cachedTokens,
        frame.promptNs,
        frame.evalTokens,
        frame.evalNs,
        frame.loadNs,
        frame.promptTokenIds === undefined ? null : bytesOfTokens(frame.promptTokenIds),
      ]
  }
}

type TokenFrame = Extract<InferFrame, { kind: 'token' }>

/** Most tokens add text and nothing else: what is absent is not written. */
function arrayOfToken({ index, tokens, text, thinking, toolCalls, logprobs }: TokenFrame): unknown[] {
  if (thinking === undefined && toolCalls === undefined && logprobs === undefined) {
    return [marks.token, index, tokens, text]
  }
  const calls = toolCalls?.map((call) => [call.id, call.index, call.name, call.arguments])
  const rows = logprobs?.map(({ token, logprob, top }) => [
    token,
    logprob,
    top?.map((other) => [other.token, other.logprob]) ?? null,
  ])
  return [marks.token, index, tokens, text, thinking ?? null, calls ?? null, rows ?? null]
}

function tokenOf(fields: readonly unknown[]): TokenFrame {
  const frame = { kind: 'token', index: count(fields[1]), tokens: tokens(fields[2]), text: text(fields[3]) } as const
  if (fields.length <= 4) return frame
  const [, , , , thinking, calls, rows] = fields
  return {
    ...frame,
    ...(isAbsent(thinking) ? {} : { thinking: text(thinking) }),
    ...(isAbsent(calls) ? {} : { toolCalls: list(calls).map(toolCallOf) }),
    ...(isAbsent(rows) ? {} : { logprobs: list(rows).map(logprobOf) }),
  }
}

const isAbsent = (value: unknown): boolean => value === null || value === undefined

function toolCallOf(value: unknown): ToolCall {
  const [id, index, name, args] = list(value)
  if (typeof args !== 'object' || args === null || Array.isArray(args) || args instanceof Uint8Array) {
    throw new ProtocolError('shape', 'the arguments of a call are not an object')
  }
  return { id: text(id), index: count(index), name: text(name), arguments: args as ToolCall['arguments'] }
}

function logprobOf(value: unknown): TokenLogprob {
  const [token, logprob, top] = list(value)
  const row = { token: text(token), logprob: real(logprob) }
  if (isAbsent(top)) return row
  const pairs = list(top).map((pair) => {
    const [other, probability] = list(pair)
    return { token: text(other), logprob: real(probability) }
  })
  return { ...row, top: pairs }
}

function resultOf(fields: readonly unknown[]): InferResult {
  const promptTokenIds = fields[8]
  return {
    reason: oneOf(endings, fields[1]),
    promptTokens: count(fields[2]),
    cachedTokens: count(fields[3]),
    promptNs: count(fields[4]),
    evalTokens: count(fields[5]),
    evalNs: count(fields[6]),
    loadNs: count(fields[7]),
    ...(promptTokenIds === null ? {} : { promptTokenIds: tokensOfBytes(binary(promptTokenIds)) }),
  }
}

function loadOf(fields: readonly unknown[], from: number): WorkerLoad {
  return { active: count(fields[from]), waiting: count(fields[from + 1]), slots: count(fields[from + 2]) }
}

function count(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value
  throw new ProtocolError('shape', 'a field that is not a number of 0 or more')
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new ProtocolError('shape', 'a field that is not an array')
}

function real(value: unknown): number {
  if (typeof value === 'number') return value
  throw new ProtocolError('shape', 'a field that is not a number')
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new ProtocolError('shape', 'a field that is not text')
}

function tokens(value: unknown): number[] {
  if (!Array.isArray(value)) throw new ProtocolError('shape', 'tokens that are not an array')
  for (const token of value) count(token)
  return value as number[]
}

function binary(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new ProtocolError('shape', 'a field that is not bytes')
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T {
  for (const candidate of known) if (candidate === value) return candidate
  throw new ProtocolError('shape', 'a word that this protocol does not know')
}
