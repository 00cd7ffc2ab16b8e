/** What a driver and its child say to each other over IPC. Tokens of all streams travel in one message per tick. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { InferFrame } from '../../../protocols/infer.ts'
import type { CompletionRequest, EmbeddingRequest } from '../completer.ts'
import type { MemoryEstimate } from './memory.ts'

/** What one stream computes, with everything resolved that does not need the tokenizer. */
export type ChildWork = TextWork | ({ readonly kind: 'embed' } & Omit<EmbeddingRequest, 'model'>)

export type TextWork = { readonly kind: 'text' } & Omit<CompletionRequest, 'model' | 'images' | 'again'>

export interface LoadMessage {
  readonly kind: 'load'
  readonly path: string
  /** LoRA adapters of the model. */
  readonly adapters: readonly string[]
  readonly threads: number
  readonly slots: number
  readonly contextTokens: number
  readonly prefillTokens: number
  /** Tokens per batch; absent: what `memory.ts` reckons with. */
  readonly batchTokens?: number
  /** Absent: as many as fit. */
  readonly gpuLayers?: number
  readonly useMmap?: boolean
  /** False: never use a GPU. */
  readonly gpu: boolean
  /** Compared with what is available before anything is allocated; only the child knows the GPU's memory. */
  readonly estimate: MemoryEstimate
}

export interface StartMessage {
  readonly kind: 'start'
  readonly stream: number
  readonly work: ChildWork
}

/** Driver to child. The child trusts its parent: these are typed, not checked. */
export type ParentMessage =
  | LoadMessage
  | StartMessage
  | { readonly kind: 'pause' | 'continue' | 'cancel'; readonly stream: number }
  /** Answered by `tokenized` and `detokenized` with the same number. */
  | { readonly kind: 'tokenize'; readonly call: number; readonly text: string }
  | { readonly kind: 'detokenize'; readonly call: number; readonly tokens: readonly number[] }

const integer = Type.Integer({ minimum: 0 })
const tokens = Type.Array(integer)

const frame = Type.Union([
  Type.Object({
    kind: Type.Literal('token'),
    index: integer,
    tokens,
    text: Type.String(),
    logprobs: Type.Optional(Type.Array(Type.Object({ token: Type.String(), logprob: Type.Number() }))),
  }),
  Type.Object({ kind: Type.Literal('progress'), phase: Type.Literal('prefill'), done: integer, total: integer }),
  Type.Object({
    kind: Type.Literal('embedding'),
    index: integer,
    vector: Type.Refine(Type.Unknown(), (value) => value instanceof Float32Array),
  }),
  Type.Object({
    kind: Type.Literal('done'),
    reason: Type.Union([Type.Literal('stop'), Type.Literal('length')]),
    promptTokens: integer,
    cachedTokens: integer,
    promptNs: integer,
    evalTokens: integer,
    evalNs: integer,
    loadNs: integer,
    promptTokenIds: Type.Optional(tokens),
  }),
  Type.Object({
    kind: Type.Literal('failed'),
    code: Type.Union([
      Type.Literal('invalid-request'),
      Type.Literal('context-exceeded'),
      Type.Literal('model-unusable'),
      Type.Literal('internal'),
    ]),
    message: Type.String(),
  }),
])

const childMessage = Type.Union([
  Type.Object({
    kind: Type.Literal('tick'),
    /** What each stream gained since the last tick. */
    streams: Type.Array(Type.Object({ stream: integer, frames: Type.Array(frame) })),
    /** Streams whose sequence is free again. */
    released: Type.Array(integer),
  }),
  Type.Object({ kind: Type.Literal('loading'), fraction: Type.Number() }),
  Type.Object({
    kind: Type.Literal('loaded'),
    contextTokens: integer,
    vramBytes: integer,
    vocabulary: Type.Object({
      chatTemplate: Type.Union([Type.String(), Type.Undefined()]),
      bosToken: Type.String(),
      eosToken: Type.String(),
      addsBos: Type.Boolean(),
    }),
  }),
  Type.Object({ kind: Type.Literal('tokenized'), call: integer, tokens }),
  Type.Object({ kind: Type.Literal('detokenized'), call: integer, text: Type.String() }),
  Type.Object({
    kind: Type.Literal('unloadable'),
    code: Type.Union([
      Type.Literal('insufficient-memory'),
      Type.Literal('model-unusable'),
      Type.Literal('load-failed'),
    ]),
    message: Type.String(),
  }),
])

/** Everything that the streams gained since the last one. */
export interface TickMessage {
  readonly kind: 'tick'
  readonly streams: readonly { readonly stream: number; readonly frames: readonly InferFrame[] }[]
  readonly released: readonly number[]
}

/** Child to driver. */
export type ChildMessage = TickMessage | Exclude<Static<typeof childMessage>, { kind: 'tick' }>

const check = Compile(childMessage)

/** @returns undefined when it is no message of ours */
export function parseChildMessage(value: unknown): ChildMessage | undefined {
  return check.Check(value) ? (value as ChildMessage) : undefined
}
