/** Embeddings of one model: a server that embeds does nothing else, so that it is a second one, started when first asked. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { InferFrame } from '../../../protocols/infer.ts'
import type { EmbeddingRequest } from '../completer.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import { EmbeddingError, inputTooLong, shapeVector } from '../vector.ts'

export interface EmbeddingServer {
  readonly api: RemoteClient
  stop(): Promise<void>
}

export interface EmbedderInit {
  readonly contextTokens: number
  /** Aborting the signal ends it, also before it is ready. */
  readonly start: (closing: AbortSignal) => Promise<EmbeddingServer>
}

const tokensCheck = Compile(Type.Object({ tokens: Type.Array(Type.Integer({ minimum: 0 })) }))
const vectorsCheck = Compile(
  Type.Array(Type.Object({ embedding: Type.Array(Type.Array(Type.Number())) }), { minItems: 1 }),
)

export class Embedder {
  readonly #init: EmbedderInit
  readonly #closing = new AbortController()
  #server: Promise<EmbeddingServer> | undefined

  constructor(init: EmbedderInit) {
    this.#init = init
  }

  /** The vectors in order, then `done`. Throws an EmbeddingError or a RemoteError. */
  async *embed(request: EmbeddingRequest, signal: AbortSignal): AsyncGenerator<InferFrame, void, void> {
    const beganMs = performance.now()
    let promptTokens = 0
    for (const [index, text] of request.input.entries()) {
      if (signal.aborted) return
      const { api } = await this.#started()
      const tokens = await this.#fit(api, text, request.truncate)
      promptTokens += tokens.length
      // -1: as the model gives it; it is normalized here, as for every driver.
      const answer = await api.ask('POST', '/embeddings', { content: tokens, embd_normalize: -1 })
      if (!vectorsCheck.Check(answer)) throw new RemoteError(500, 'the server answered /embeddings without a vector')
      const vector = shapeVector(answer[0]?.embedding[0] ?? [], request.dimensions, request.normalize)
      yield { kind: 'embedding', index, vector }
    }
    const promptNs = Math.round((performance.now() - beganMs) * 1e6)
    yield { kind: 'done', reason: 'stop', promptTokens, cachedTokens: 0, promptNs, evalTokens: 0, evalNs: 0, loadNs: 0 }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const server = this.#server
    this.#server = undefined
    await server?.then(
      (started) => started.stop(),
      () => {},
    )
  }

  /** One that could not be started is tried again by the next request. */
  #started(): Promise<EmbeddingServer> {
    this.#server ??= this.#init.start(this.#closing.signal).catch((error: unknown) => {
      this.#server = undefined
      throw error
    })
    return this.#server
  }

  async #fit(api: RemoteClient, text: string, truncate: boolean): Promise<readonly number[]> {
    const answer = await api.ask('POST', '/tokenize', { content: text, add_special: true })
    const tokens = tokensCheck.Check(answer) ? answer.tokens : []
    const limit = this.#init.contextTokens - 1
    if (tokens.length <= limit) return tokens
    if (!truncate) throw new EmbeddingError('context-exceeded', inputTooLong)
    return tokens.slice(0, limit)
  }
}
