/**
 * The frames of an answer on `/omx/infer/1` as bytes: arrays without field names, checked by hand, because one of them
 * is written and read for every token.
 */
import { bytesOfFloats, bytesOfTokens, decode, encode, floatsOfBytes, tokensOfBytes } from './codec.ts'
import type { FailureCode, InferFrame, InferResult, RefusalReason, WorkerLoad } from './infer.ts'
import { ProtocolError } from './protocol-error.ts'
import type { CodecLimits } from './scan.ts'

/** The ids of a million prompt tokens, which `done` may carry; all other frames are small. */
export const maxInferFrameBytes = 4 * 1024 * 1024

const limits: CodecLimits = { maxBytes: maxInferFrameBytes, maxDepth: 4, maxValues: 16_384 }

/** First element of a frame's array. Numbers are never reused for another meaning. */
const marks = { accepted: 0, refused: 1, progress: 2, token: 3, embedding: 4, done: 5, failed: 6 } as const

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
  const value = decode(bytes, limits)
  if (!Array.isArray(value)) throw new ProtocolError('shape', 'a frame that is not an array')
  const fields = value as readonly unknown[]
  switch (fields[0]) {
    case marks.token:
      return { kind: 'token', index: count(fields[1]), tokens: tokens(fields[2]), text: text(fields[3]) }
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
    default:
      throw new ProtocolError('shape', 'a frame of no known kind')
  }
}

function arrayOf(frame: InferFrame): unknown[] {
  switch (frame.kind) {
    case 'token':
      return [marks.token, frame.index, frame.tokens, frame.text]
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
