/**
 * What a driver offers that holds a model itself: texts continued, texts embedded, and the model's own tokenizer. Prompts
 * and the meaning of what comes back are `PromptedEngine`'s.
 */
import type { Format } from '../../protocols/chat.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { InferStream, SamplingOptions, WorkerLoad } from '../../protocols/infer.ts'

/** One text to be continued. Its stream is as `LoadedEngine.infer` says, with nothing but text in its tokens. */
export interface CompletionRequest {
  /** The model's name as the client sent it, for messages. */
  readonly model: string
  /** Rendered; the model's control tokens may be written out in it. */
  readonly prompt: string
  /** Tokens that go before the prompt, an earlier answer's; empty: the prompt is the beginning. */
  readonly before: readonly number[]
  readonly sampling: SamplingOptions
  /** The answer's tokens that exist already: the first new one has the index after theirs. */
  readonly resume: readonly number[]
  /** What the answer must be, from its token at `grammarFrom` on; absent: anything. */
  readonly format?: Format
  readonly grammarFrom: number
  /** Whether the oldest tokens may go when the context is full. */
  readonly shift: boolean
  /** Whether a prompt that does not fit may lose its middle, where `shift` allows it. */
  readonly truncate: boolean
  /** Each token's probability, with so many alternatives; absent: not wanted. */
  readonly logprobs?: number
  readonly images: readonly Uint8Array[]
  /** Tags that are to be text, also where they are control tokens, for whoever reads them out of it. Absent: none. */
  readonly tags?: readonly string[]
  /** It goes on with an answer that was being computed here a moment ago, which must not be turned away now. */
  readonly again?: boolean
}

export interface EmbeddingRequest {
  readonly model: string
  readonly input: readonly string[]
  readonly truncate: boolean
  /** 0: all of them. */
  readonly dimensions: number
  readonly normalize: boolean
}

/** What the model file says of its prompts. */
export interface Vocabulary {
  /** The Jinja template; undefined for base models. */
  readonly chatTemplate: string | undefined
  readonly bosToken: string
  readonly eosToken: string
  /** Whether the tokenizer begins every prompt with the first by itself. */
  readonly addsBos: boolean
}

export interface Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly pid?: number
  readonly vocabulary: Vocabulary
  /** How many tokens the model has, whose ids count from 0; 0: nobody knows. */
  readonly vocabularyTokens: number
  load(): WorkerLoad
  complete(request: CompletionRequest): InferStream
  embed(request: EmbeddingRequest): InferStream
  /** The tokens of a text that begins a prompt. Rejects when the engine has ended. */
  tokenize(text: string): Promise<readonly number[]>
  /** The text of an answer's tokens. Rejects when the engine has ended. */
  detokenize(tokens: readonly number[]): Promise<string>
  readonly ended: Promise<Failure | undefined>
  close(): Promise<void>
}
