/** A model of an OpenAI-compatible server. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { InferFrame, InferRequest } from '../../../protocols/infer.ts'
import { realClock } from '../clock.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import type { AnswerWork, EmbedWork, RemoteModel } from '../remote/engine.ts'
import { shapeVector } from '../vector.ts'
import { AnswerFrames } from './answer.ts'
import { answerRequest } from './request.ts'

/** Texts that are embedded with one request: some servers take no more. */
const maxInputs = 32

const vectorsCheck = Compile(
  Type.Object({
    data: Type.Array(Type.Object({ index: Type.Integer({ minimum: 0 }), embedding: Type.Array(Type.Number()) })),
    usage: Type.Optional(Type.Object({ prompt_tokens: Type.Optional(Type.Integer({ minimum: 0 })) })),
  }),
)

export interface OpenaiModelInit {
  readonly client: RemoteClient
  /** What the server calls it. */
  readonly id: string
  /** 0: the server does not say. */
  readonly contextLength: number
}

export class OpenaiModel implements RemoteModel {
  readonly contextLength: number
  /** How much memory it takes there, no server says. */
  readonly sizeBytes = 0
  readonly sizeVramBytes = 0
  readonly #init: OpenaiModelInit

  constructor(init: OpenaiModelInit) {
    this.#init = init
    this.contextLength = init.contextLength
  }

  async *answer(request: InferRequest, work: AnswerWork, signal: AbortSignal): AsyncGenerator<InferFrame, void, void> {
    const { client, id } = this.#init
    const { path, body } = answerRequest(request, work, id)
    const frames = new AnswerFrames({ logprobs: request.logprobs, monotonicMs: () => realClock.monotonicMs() })
    for await (const event of client.events(path, body, signal)) yield* frames.framesOf(event)
    yield frames.end()
  }

  /** Cut and scaled here: not every server can. A text that is too long is the server's to cut or to refuse. */
  async *embed(
    _request: InferRequest,
    { input, dimensions = 0, normalize }: EmbedWork,
    signal: AbortSignal,
  ): AsyncGenerator<InferFrame, void, void> {
    const beganMs = realClock.monotonicMs()
    let promptTokens = 0
    for (let from = 0; from < input.length; from += maxInputs) {
      const { vectors, tokens } = await this.#vectors(input.slice(from, from + maxInputs), signal)
      promptTokens += tokens
      for (const [at, values] of vectors.entries()) {
        yield { kind: 'embedding', index: from + at, vector: shapeVector(values, dimensions, normalize) }
      }
    }
    const promptNs = Math.round((realClock.monotonicMs() - beganMs) * 1e6)
    yield { kind: 'done', reason: 'stop', promptTokens, cachedTokens: 0, promptNs, evalTokens: 0, evalNs: 0, loadNs: 0 }
  }

  /** Nothing to do: what the server holds is its own affair. */
  unload(): Promise<void> {
    return Promise.resolve()
  }

  async #vectors(input: readonly string[], signal: AbortSignal) {
    const { client, id } = this.#init
    const answer = await client.ask('POST', '/embeddings', { model: id, input, encoding_format: 'float' }, signal)
    if (!vectorsCheck.Check(answer) || answer.data.length !== input.length) {
      throw new RemoteError(500, 'the server answered /embeddings without a vector for each text')
    }
    const rows = answer.data.toSorted((left, right) => left.index - right.index)
    return { vectors: rows.map(({ embedding }) => embedding), tokens: answer.usage?.prompt_tokens ?? 0 }
  }
}
