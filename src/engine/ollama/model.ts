/** A model in another Ollama's memory. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { InferFrame, InferRequest } from '../../../protocols/infer.ts'
import { foreignToken } from '../foreign-token.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import type { AnswerWork, EmbedWork, RemoteModel } from '../remote/engine.ts'
import { shapeVector } from '../vector.ts'
import { answerRequest, framesOf } from './work.ts'

export interface OllamaModelInit {
  readonly client: RemoteClient
  readonly name: string
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  /** Whether the name still means this version there. Rejects with a RemoteError. */
  readonly isCurrent: () => Promise<boolean>
}

export class OllamaModel implements RemoteModel {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly #init: OllamaModelInit
  /** Asked for when somebody sends tokens: the answer has all of them. */
  #vocabularyTokens: number | undefined

  constructor(init: OllamaModelInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
  }

  async *answer(request: InferRequest, work: AnswerWork, signal: AbortSignal): AsyncGenerator<InferFrame, void, void> {
    await this.#checkCurrent()
    const { client, name } = this.#init
    await this.#checkContext(work)
    const { path, body } = answerRequest(request, work, name)
    for await (const line of client.lines(path, body, signal)) yield* framesOf(line)
  }

  /** Ollama normalizes what `/api/embed` gives, and nothing that `/api/embeddings` gives. */
  async *embed(
    { options }: InferRequest,
    { input, truncate, dimensions = 0, normalize }: EmbedWork,
    signal: AbortSignal,
  ): AsyncGenerator<InferFrame, void, void> {
    await this.#checkCurrent()
    const { client, name } = this.#init
    const ask = (path: string, body: object): Promise<unknown> =>
      client.ask('POST', path, { model: name, options, keep_alive: -1, ...body }, signal)
    let promptTokens = 0
    if (normalize) {
      const answer = embedAnswer(await ask('/api/embed', { input, truncate, dimensions }))
      promptTokens = answer.prompt_eval_count ?? 0
      for (const [index, vector] of answer.embeddings.entries()) {
        yield { kind: 'embedding', index, vector: Float32Array.from(vector) }
      }
    } else {
      for (const [index, prompt] of input.entries()) {
        const { embedding } = embeddingsAnswer(await ask('/api/embeddings', { prompt }))
        yield { kind: 'embedding', index, vector: shapeVector(embedding, dimensions, false) }
      }
    }
    yield { kind: 'done', reason: 'stop', ...noTimes, promptTokens }
  }

  async unload(): Promise<void> {
    const { client, name } = this.#init
    // Best effort: an Ollama that is gone holds nothing.
    await client.ask('POST', '/api/generate', { model: name, keep_alive: 0 }).catch(() => undefined)
  }

  /** The Ollama would look the tokens up unseen, and die of one that is not there: every model of everybody with it. */
  async #checkContext(work: AnswerWork): Promise<void> {
    if (work.kind !== 'generate' || work.context === undefined) return
    const { client, name } = this.#init
    this.#vocabularyTokens ??= vocabularyTokens(await client.ask('POST', '/api/show', { model: name, verbose: true }))
    const foreign = foreignToken(work.context, { model: name, vocabularyTokens: this.#vocabularyTokens })
    if (foreign !== undefined) throw new RemoteError(400, foreign)
  }

  async #checkCurrent(): Promise<void> {
    if (!(await this.#init.isCurrent())) throw new RemoteError(404, `${this.#init.name} is another version now`)
  }
}

const vocabularyCheck = Compile(
  Type.Object({ model_info: Type.Object({ 'tokenizer.ggml.tokens': Type.Array(Type.String()) }) }),
)

/** 0: it does not say. */
function vocabularyTokens(shown: unknown): number {
  return vocabularyCheck.Check(shown) ? shown.model_info['tokenizer.ggml.tokens'].length : 0
}

const noTimes = { cachedTokens: 0, promptNs: 0, evalTokens: 0, evalNs: 0, loadNs: 0 }

const vector = Type.Array(Type.Number())
const embedCheck = Compile(
  Type.Object({ embeddings: Type.Array(vector), prompt_eval_count: Type.Optional(Type.Number()) }),
)
const embeddingsCheck = Compile(Type.Object({ embedding: vector }))

function embedAnswer(value: unknown) {
  if (embedCheck.Check(value)) return value
  throw new RemoteError(500, 'the Ollama answered /api/embed without vectors')
}

function embeddingsAnswer(value: unknown) {
  if (embeddingsCheck.Check(value)) return value
  throw new RemoteError(500, 'the Ollama answered /api/embeddings without a vector')
}
