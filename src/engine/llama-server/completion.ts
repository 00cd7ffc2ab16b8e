/** A completion in the server's words, and its events as frames. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TokenLogprob } from '../../../protocols/chat.ts'
import type { InferFrame } from '../../../protocols/infer.ts'
import { answerLimit } from '../answer.ts'
import type { CompletionRequest } from '../completer.ts'
import { jsonObjectGrammar, schemaGrammar } from '../grammar/json-schema.ts'
import { joinedPieces, type Piece, StopStrings } from '../stop-strings.ts'

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
  tokens_predicted: Type.Optional(integer),
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
      predicted_ms: Type.Number(),
    }),
  ),
})

type Event = Static<typeof Event>

const eventCheck = Compile(Event)

export interface CompletionFramesInit {
  readonly request: CompletionRequest
  /** Everything before the first new token. */
  readonly prompt: readonly number[]
  /** Of the prompt's first tokens, how many no `context` brings. */
  readonly addedTokens: number
  /** The tokens of a text that stands in the middle of others. */
  readonly tokenize: (text: string) => Promise<readonly number[]>
}

/** One answer: counts its tokens and turns events into frames. */
export class CompletionFrames {
  readonly #init: CompletionFramesInit
  /** Ours, not the server's: that one forgets the text which only began like a stop string. */
  readonly #stops: StopStrings
  #index: number
  /** What has no text yet: half a character, or the token by which the model ends. */
  #silent: readonly Piece[] = []

  constructor(init: CompletionFramesInit) {
    this.#init = init
    this.#stops = new StopStrings(init.request.sampling.stop)
    this.#index = init.request.resume.length
  }

  /** Rejects with an Error for what is no event of a completion. */
  async framesOf(event: unknown): Promise<InferFrame[]> {
    if (!eventCheck.Check(event)) throw new Error(`an event that the server never sends: ${JSON.stringify(event)}`)
    const { prompt_progress: progress, stop, stop_type: stopType } = event
    if (progress !== undefined) {
      return [{ kind: 'progress', phase: 'prefill', done: progress.processed, total: progress.total }]
    }
    const said = joinedPieces([...this.#silent, this.#pieceOf(event)])
    const isSilent = stop !== true && said.text === ''
    this.#silent = isSilent ? [said] : []
    if (isSilent) return []
    const piece = stop === true && stopType === 'eos' ? withoutLast(said) : said
    const { released, cut, stopped } = this.#stops.push(piece)
    const shown = cut === undefined ? released : [...released, { ...cut, tokens: await this.#init.tokenize(cut.text) }]
    const frames = shown.flatMap((each) => this.#show(each))
    if (stopped) return [...frames, this.#done(event)]
    if (stop !== true) return frames
    return [...frames, ...this.#stops.flush().flatMap((each) => this.#show(each)), this.#done(event)]
  }

  #pieceOf({ tokens = [], content = '', completion_probabilities: rows }: Event): Piece {
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
    if (this.#init.request.logprobs === 0 || each.top_logprobs === undefined) return chosen
    return { ...chosen, top: each.top_logprobs.map(({ token, logprob }) => ({ token, logprob })) }
  }

  #done({ stop_type, timings, tokens_predicted = 0 }: Event): InferFrame {
    const { request, prompt, addedTokens } = this.#init
    const promptLength = prompt.length - request.resume.length
    return {
      kind: 'done',
      reason: stop_type === 'limit' ? 'length' : 'stop',
      promptTokens: promptLength,
      cachedTokens: Math.min(promptLength, timings?.cache_n ?? 0),
      promptNs: nanoseconds(timings?.prompt_ms),
      evalTokens: request.resume.length + tokens_predicted,
      evalNs: nanoseconds(timings?.predicted_ms),
      loadNs: 0,
      promptTokenIds: prompt.slice(addedTokens, promptLength),
    }
  }
}

/** The token by which a model ends is none of its answer. */
function withoutLast({ tokens, text, logprobs }: Piece): Piece {
  const piece = { tokens: tokens.slice(0, -1), text }
  return logprobs === undefined ? piece : { ...piece, logprobs: logprobs.slice(0, -1) }
}

const nanoseconds = (ms = 0): number => Math.max(0, Math.round(ms * 1e6))
