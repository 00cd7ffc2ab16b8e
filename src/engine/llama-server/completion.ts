/** A completion in the server's words, and its events as frames. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TokenLogprob } from '../../../protocols/chat.ts'
import type { InferFrame } from '../../../protocols/infer.ts'
import { answerLimit } from '../answer.ts'
import type { CompletionRequest } from '../completer.ts'
import { jsonObjectGrammar, schemaGrammar } from '../grammar/json-schema.ts'
import { type Piece, StopStrings } from '../stop-strings.ts'

/** Stands in the prompt where an image goes. */
const mediaMarker = '<__media__>'

/** The body of `/completion`. `prompt`: the tokens of everything before the first new one. Throws a SchemaError. */
export function completionBody(request: CompletionRequest, prompt: readonly number[], contextTokens: number): unknown {
  const { sampling, shift, format, resume, logprobs } = request
  const room = contextTokens - prompt.length
  const limit = answerLimit(sampling.num_predict, contextTokens) - resume.length
  return {
    prompt: promptBody(request, prompt),
    n_predict: shift ? limit : Math.min(limit, room),
    n_keep: sampling.num_keep,
    temperature: sampling.temperature,
    top_k: sampling.top_k,
    top_p: sampling.top_p,
    min_p: sampling.min_p,
    typical_p: sampling.typical_p,
    seed: sampling.seed,
    repeat_penalty: sampling.repeat_penalty,
    repeat_last_n: sampling.repeat_last_n,
    presence_penalty: sampling.presence_penalty,
    frequency_penalty: sampling.frequency_penalty,
    cache_prompt: true,
    stream: true,
    return_tokens: true,
    return_progress: true,
    ...(request.tags === undefined ? {} : { preserved_tokens: request.tags }),
    ...(logprobs === undefined ? {} : { n_probs: Math.max(1, logprobs) }),
    ...(format === undefined ? {} : { grammar: format === 'json' ? jsonObjectGrammar : schemaGrammar(format) }),
  }
}

/** Images travel with the prompt as text: only the server knows how many tokens each becomes. */
function promptBody({ prompt, images }: CompletionRequest, tokens: readonly number[]): unknown {
  if (images.length === 0) return tokens
  return {
    prompt_string: prompt.replaceAll(/\[img-\d+\]/g, mediaMarker),
    multimodal_data: images.map((image) => Buffer.from(image).toString('base64')),
  }
}

const integer = Type.Integer({ minimum: 0 })
const row = Type.Object({ token: Type.String(), logprob: Type.Number() })

const Event = Type.Object({
  content: Type.Optional(Type.String()),
  tokens: Type.Optional(Type.Array(integer)),
  stop: Type.Optional(Type.Boolean()),
  stop_type: Type.Optional(Type.String()),
  prompt_progress: Type.Optional(Type.Object({ total: integer, processed: integer })),
  completion_probabilities: Type.Optional(
    Type.Array(Type.Object({ ...row.properties, top_logprobs: Type.Optional(Type.Array(row)) })),
  ),
  timings: Type.Optional(
    Type.Object({
      cache_n: Type.Optional(integer),
      prompt_ms: Type.Number(),
      predicted_n: integer,
      predicted_ms: Type.Number(),
    }),
  ),
})

const eventCheck = Compile(Event)

/** One answer: counts its tokens and turns events into frames. */
export class CompletionFrames {
  readonly #request: CompletionRequest
  readonly #prompt: readonly number[]
  readonly #addedTokens: number
  /** Ours, not the server's: that one forgets the text which only began like a stop string. */
  readonly #stops: StopStrings
  #index: number

  /** @param addedTokens of the prompt's first, those that no `context` brings */
  constructor(request: CompletionRequest, prompt: readonly number[], addedTokens: number) {
    this.#request = request
    this.#prompt = prompt
    this.#addedTokens = addedTokens
    this.#stops = new StopStrings(request.sampling.stop)
    this.#index = request.resume.length
  }

  /** Throws an Error for what is no event of a completion. */
  framesOf(event: unknown): InferFrame[] {
    if (!eventCheck.Check(event)) throw new Error(`an event that the server never sends: ${JSON.stringify(event)}`)
    const { prompt_progress: progress } = event
    if (progress !== undefined) {
      return [{ kind: 'progress', phase: 'prefill', done: progress.processed, total: progress.total }]
    }
    const { released, stopped } = this.#stops.push(this.#pieceOf(event))
    const frames = released.flatMap((piece) => this.#show(piece))
    if (stopped) return [...frames, this.#done('word', event.timings)]
    if (event.stop !== true) return frames
    const held = this.#stops.flush().flatMap((piece) => this.#show(piece))
    return [...frames, ...held, this.#done(event.stop_type, event.timings)]
  }

  #pieceOf({ tokens = [], content = '', completion_probabilities: rows }: Static<typeof Event>): Piece {
    const piece = { tokens, text: content }
    return rows === undefined ? piece : { ...piece, logprobs: rows.map((row) => this.#logprob(row)) }
  }

  #show({ tokens, text, logprobs }: Piece): InferFrame[] {
    if (tokens.length === 0 && text === '') return []
    const index = this.#index
    this.#index += tokens.length
    return [{ kind: 'token', index, tokens, text, ...(logprobs === undefined ? {} : { logprobs }) }]
  }

  #logprob(each: { token: string; logprob: number; top_logprobs?: readonly { token: string; logprob: number }[] }) {
    const chosen: TokenLogprob = { token: each.token, logprob: each.logprob }
    if (this.#request.logprobs === 0 || each.top_logprobs === undefined) return chosen
    return { ...chosen, top: each.top_logprobs.map(({ token, logprob }) => ({ token, logprob })) }
  }

  #done(
    stopType: string | undefined,
    timings: { cache_n?: number; prompt_ms: number; predicted_ms: number } | undefined,
  ): InferFrame {
    const promptLength = this.#prompt.length - this.#request.resume.length
    return {
      kind: 'done',
      reason: stopType === 'limit' ? 'length' : 'stop',
      promptTokens: promptLength,
      cachedTokens: Math.min(promptLength, timings?.cache_n ?? 0),
      promptNs: nanoseconds(timings?.prompt_ms),
      evalTokens: this.#index,
      evalNs: nanoseconds(timings?.predicted_ms),
      loadNs: 0,
      promptTokenIds: this.#prompt.slice(this.#addedTokens, promptLength),
    }
  }
}

const nanoseconds = (ms = 0): number => Math.max(0, Math.round(ms * 1e6))
