/** The events of a streamed answer, as frames. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TokenLogprob, ToolCall } from '../../../protocols/chat.ts'
import type { InferFrame, InferResult } from '../../../protocols/infer.ts'
import { RemoteError } from '../remote/client.ts'
import { type CallPart, CallParts, callPart } from './call-parts.ts'

const optional = <Schema extends Parameters<typeof Type.Optional>[0]>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]))
const text = optional(Type.String())
const count = optional(Type.Integer({ minimum: 0 }))
const row = Type.Object({ token: Type.String(), logprob: Type.Number() })

/** A chat's, or a completion's as newer servers write them; and those of a completion as OpenAI wrote them first. */
const Logprobs = Type.Object({
  content: optional(Type.Array(Type.Object({ ...row.properties, top_logprobs: optional(Type.Array(row)) }))),
  tokens: optional(Type.Array(Type.String())),
  token_logprobs: optional(Type.Array(Type.Union([Type.Number(), Type.Null()]))),
  top_logprobs: optional(Type.Array(Type.Union([Type.Record(Type.String(), Type.Number()), Type.Null()]))),
})
type Logprobs = Static<typeof Logprobs>

const Chunk = Type.Object({
  choices: Type.Array(
    Type.Object({
      text,
      delta: optional(
        Type.Object({
          content: text,
          reasoning: text,
          reasoning_content: text,
          tool_calls: optional(Type.Array(callPart)),
        }),
      ),
      finish_reason: text,
      logprobs: optional(Logprobs),
    }),
  ),
  usage: optional(
    Type.Object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: optional(Type.Object({ cached_tokens: count })),
    }),
  ),
})
type Chunk = Static<typeof Chunk>

const chunkCheck = Compile(Chunk)

export interface AnswerFramesInit {
  /** How many alternatives of each token are wanted; undefined: no probabilities. */
  readonly logprobs: number | undefined
  readonly monotonicMs: () => number
}

/** One answer: puts calls together, and takes the time that the server does not tell. */
export class AnswerFrames {
  readonly #init: AnswerFramesInit
  readonly #beganMs: number
  readonly #calls = new CallParts()
  #firstMs: number | undefined
  #finish: string | undefined
  #usage: Chunk['usage']

  constructor(init: AnswerFramesInit) {
    this.#init = init
    this.#beganMs = init.monotonicMs()
  }

  /** Throws a RemoteError for what is no part of an answer. */
  framesOf(event: unknown): InferFrame[] {
    if (!chunkCheck.Check(event)) {
      throw new RemoteError(500, `the server sent what is no part of an answer: ${JSON.stringify(event).slice(0, 200)}`)
    }
    this.#usage = event.usage ?? this.#usage
    const [choice] = event.choices
    if (choice === undefined) return []
    const { delta, finish_reason } = choice
    const parts = delta?.tool_calls ?? []
    const calls = [...this.#add(parts), ...(finish_reason ? this.#calls.take() : [])]
    if (finish_reason) this.#finish = finish_reason
    const said = choice.text ?? delta?.content ?? ''
    const thinking = delta?.reasoning || delta?.reasoning_content || ''
    const logprobs = this.#logprobsOf(choice.logprobs)
    // Of a call that is not whole yet nothing is shown: the frame says that there is work going on.
    if (said === '' && thinking === '' && parts.length + calls.length + logprobs.length === 0) return []
    this.#firstMs ??= this.#init.monotonicMs()
    return [
      {
        kind: 'token',
        index: 0,
        // The server names no tokens: the answer cannot be continued elsewhere, token by token.
        tokens: [],
        text: said,
        ...(thinking === '' ? {} : { thinking }),
        ...(calls.length === 0 ? {} : { toolCalls: calls }),
        ...(logprobs.length === 0 ? {} : { logprobs }),
      },
    ]
  }

  /** The last frame. Throws a RemoteError where the server has not said that the answer was whole. */
  end(): InferFrame {
    if (this.#finish === undefined) throw new RemoteError(0, 'the answer ended in the middle')
    const endMs = this.#init.monotonicMs()
    const firstMs = this.#firstMs ?? endMs
    const { prompt_tokens, completion_tokens, prompt_tokens_details } = this.#usage ?? {}
    const result: InferResult = {
      reason: this.#finish === 'length' ? 'length' : 'stop',
      promptTokens: prompt_tokens ?? 0,
      cachedTokens: prompt_tokens_details?.cached_tokens ?? 0,
      promptNs: nanoseconds(firstMs - this.#beganMs),
      evalTokens: completion_tokens ?? 0,
      evalNs: nanoseconds(endMs - firstMs),
      loadNs: 0,
    }
    return { kind: 'done', ...result }
  }

  #add(parts: readonly CallPart[]): ToolCall[] {
    return parts.flatMap((part) => this.#calls.add(part))
  }

  #logprobsOf(logprobs: Logprobs | null | undefined): TokenLogprob[] {
    const { logprobs: wanted } = this.#init
    if (wanted === undefined || !logprobs) return []
    const rows = logprobs.content?.map(({ token, logprob, top_logprobs }) => ({
      token,
      logprob,
      top: (top_logprobs ?? []).map((each) => ({ token: each.token, logprob: each.logprob })),
    }))
    return (rows ?? firstForm(logprobs)).map(({ top, ...chosen }) => (wanted === 0 ? chosen : { ...chosen, top }))
  }
}

function firstForm({ tokens, token_logprobs, top_logprobs }: Logprobs) {
  return (tokens ?? []).map((token, at) => ({
    token,
    logprob: token_logprobs?.[at] ?? 0,
    top: Object.entries(top_logprobs?.[at] ?? {})
      .map(([other, logprob]) => ({ token: other, logprob }))
      .sort((left, right) => right.logprob - left.logprob),
  }))
}

const nanoseconds = (ms: number): number => Math.max(0, Math.round(ms * 1e6))
