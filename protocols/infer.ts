/**
 * `/omx/infer/1`: one request and its answer, on a pooled stream straight from the worker to the entry node.
 * Tokens travel here and never through a mailbox. The first frame of an answer is `accepted` or `refused`;
 * the last is `refused`, `done` or `failed`. Resetting the stream cancels the request.
 */

import type { ChatMessage, Format, Think, TokenLogprob, Tool, ToolCall } from './chat.ts'

export const inferProtocol = '/omx/infer/1'

/** What a generate and a chat may ask of their answer. */
interface AnswerWishes {
  readonly format?: Format
  /** Absent: as the model does by itself. */
  readonly think?: Think
}

/** Sampling options, already merged (defaults, the model's own, the request's), in Ollama's names and units. */
export interface SamplingOptions {
  /** Tokens at the beginning that stay when the context is full. */
  readonly num_keep: number
  readonly num_predict: number
  readonly temperature: number
  readonly top_k: number
  readonly top_p: number
  readonly min_p: number
  /** Of the tokens that are about as likely as one expects, so many that they have this much of all; 1: all. */
  readonly typical_p: number
  readonly seed: number
  readonly stop: readonly string[]
  readonly repeat_penalty: number
  readonly repeat_last_n: number
  readonly presence_penalty: number
  readonly frequency_penalty: number
}

export interface GenerateWork extends AnswerWishes {
  readonly kind: 'generate'
  readonly prompt: string
  /** Text that is to follow the answer: fill in the middle. */
  readonly suffix?: string
  readonly system?: string
  /** A Go template in place of the model's own. */
  readonly template?: string
  /** The prompt goes to the model as it is. */
  readonly raw: boolean
  readonly context?: readonly number[]
  readonly images?: readonly Uint8Array[]
}

export interface ChatWork extends AnswerWishes {
  readonly kind: 'chat'
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly Tool[]
}

/** What to compute. `load` only brings the model into memory. */
export type InferWork =
  | GenerateWork
  | ChatWork
  | {
      readonly kind: 'embed'
      readonly input: readonly string[]
      readonly truncate: boolean
      readonly dimensions?: number
      readonly normalize: boolean
    }
  | { readonly kind: 'load' }

/** Where an interrupted answer continues: the tokens that the client already has. */
export interface Resume {
  readonly tokens: readonly number[]
}

export interface InferRequest {
  /** The task's id, unique in the cluster; names the request in logs of both nodes. */
  readonly id: string
  readonly traceId: string
  /** Name as the client sent it, for messages. */
  readonly model: string
  /** The model version: SHA-256 of its manifest in hex. Never substituted. */
  readonly digest: string
  readonly work: InferWork
  /** The request's own options, by Ollama's names; the worker merges them over the model's. */
  readonly options: Readonly<Record<string, unknown>>
  /** How long the model stays loaded afterwards; absent: the worker's own setting; Infinity is written as -1. */
  readonly keepAliveMs?: number
  /** What remains of the deadline in ms; 0 means none. */
  readonly remainingMs: number
  readonly resume?: Resume
  /** False: a conversation that does not fit is refused instead of losing its oldest messages. Absent: true. */
  readonly truncate?: boolean
  /** False: an answer ends where the context is full instead of losing the oldest tokens. Absent: true. */
  readonly shift?: boolean
  /** Each token's probability is wanted, with this many alternatives. */
  readonly logprobs?: number
  /** The rendered prompt is the answer; nothing is computed. */
  readonly renderOnly?: boolean
}

/** A worker's load as every accept and refusal brings it back. */
export interface WorkerLoad {
  /** Requests being computed. */
  readonly active: number
  /** Requests accepted and waiting. */
  readonly waiting: number
  /** Requests that this model can compute at once. */
  readonly slots: number
}

/** Of a worker that has not said what it is doing. */
export const unknownLoad: WorkerLoad = { active: 0, waiting: 0, slots: 0 }

/** Why a worker did not take a request; the entry node tries the next holder. */
export type RefusalReason = 'busy' | 'draining' | 'no-such-model' | 'insufficient-memory' | 'not-admitted'

/** What can go wrong with a request that was accepted. `retryable` ones may succeed on another holder. */
export type FailureCode =
  | 'invalid-request' // the request itself is wrong: the same everywhere
  | 'context-exceeded' // longer than the model's context: the same everywhere
  | 'model-unusable' // the file is corrupt or not supported here
  | 'load-failed' // the model could not be brought into memory
  | 'engine-crashed' // the process that computed it died
  | 'cancelled'
  | 'deadline'
  | 'link-lost' // the stream between entry and worker broke
  | 'stalled' // no frame for longer than the watchdog allows
  | 'protocol' // the peer sent something that is not this protocol
  | 'internal'

export type InferFrame =
  | { readonly kind: 'accepted'; readonly load: WorkerLoad }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string; readonly load: WorkerLoad }
  | {
      readonly kind: 'progress'
      readonly phase: 'loading' | 'queued' | 'prefill'
      readonly done: number
      readonly total: number
    }
  | ({ readonly kind: 'token' } & TokenFrame)
  | { readonly kind: 'embedding'; readonly index: number; readonly vector: Float32Array }
  | ({ readonly kind: 'done' } & InferResult)
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly message: string }
  /** The answer to `renderOnly`, before its `done`. */
  | { readonly kind: 'rendered'; readonly prompt: string; readonly images: number }

/** Tokens of an answer and what they add to it: nothing yet, where a parser waits for more. */
interface TokenFrame {
  /** Counts the answer's tokens from 0; that of the first one here. */
  readonly index: number
  readonly tokens: readonly number[]
  readonly text: string
  readonly thinking?: string
  readonly toolCalls?: readonly ToolCall[]
  readonly logprobs?: readonly TokenLogprob[]
}

/** The end of a complete answer. Durations in ns, as Ollama reports them. */
export interface InferResult {
  readonly reason: 'stop' | 'length' | 'load'
  readonly promptTokens: number
  /** How many of them were already in the engine's cache. */
  readonly cachedTokens: number
  readonly promptNs: number
  /** Tokens that were computed: those of the answer, of a stop string, and the one by which the model ended. */
  readonly evalTokens: number
  readonly evalNs: number
  readonly loadNs: number
  /** The rendered prompt's tokens, so that `context` can be answered; absent for embeddings. */
  readonly promptTokenIds?: readonly number[]
}

/**
 * An answer under way: batches of frames, each what has arrived since the last one was taken.
 * Not taking the next batch slows the worker down; leaving the loop early cancels the request.
 */
export type InferStream = AsyncIterable<readonly InferFrame[]>
