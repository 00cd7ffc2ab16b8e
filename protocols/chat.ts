/** Conversations as they travel between nodes: Ollama's messages and tools, with bytes for images. */

/** One call that a model made; complete, never in parts. */
export interface ToolCall {
  /** `call_` and eight of [a-z0-9], or what an engine gave. */
  readonly id: string
  /** Counts the calls of one answer from 0. */
  readonly index: number
  readonly name: string
  /** An object in the order in which the model wrote it. */
  readonly arguments: Readonly<Record<string, unknown>>
}

/** A function that a model may call: what Ollama's API takes, unknown schema words included. */
export interface Tool {
  readonly type: string
  readonly function: {
    readonly name: string
    readonly description?: string
    /** A JSON Schema of the arguments. */
    readonly parameters?: Readonly<Record<string, unknown>>
  }
}

export interface ChatMessage {
  /** Lower case; `system`, `user`, `assistant` and `tool` mean something, others are a template's business. */
  readonly role: string
  readonly content: string
  /** What the model thought before it answered. */
  readonly thinking?: string
  /** Encoded images (or sound), each before the content. */
  readonly images?: readonly Uint8Array[]
  readonly toolCalls?: readonly ToolCall[]
  /** Of a tool's answer: which tool, and which call. */
  readonly toolName?: string
  readonly toolCallId?: string
}

/** Whether a model is to think before it answers, and how hard. */
export type Think = boolean | 'low' | 'medium' | 'high' | 'max'

/** What an answer must be: any JSON object, or what a JSON Schema allows. */
export type Format = 'json' | Readonly<Record<string, unknown>>

/** One token of an answer with the model's own probability for it, before temperature and truncation. */
export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  /** The likeliest tokens in its place, likeliest first; absent unless asked for. */
  readonly top?: readonly { readonly token: string; readonly logprob: number }[]
}
