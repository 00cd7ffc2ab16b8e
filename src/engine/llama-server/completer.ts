/** One model in a server of its own: admission here, batching there. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Failure } from '../../../protocols/exit.ts'
import type { FailureCode, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { fitPrompt, keptTokens, PromptTooLongError, withoutBos } from '../../prompt/truncation.ts'
import { Calls, PromisedWork } from '../calls.ts'
import { realClock } from '../clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from '../completer.ts'
import type { EngineSettings } from '../driver.ts'
import { SchemaError } from '../grammar/json-schema.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import { EmbeddingError } from '../vector.ts'
import { CompletionFrames, completionBody } from './completion.ts'
import type { Embedder } from './embedder.ts'
import type { ServerProcess } from './process.ts'

export interface ServerCompleterInit {
  readonly process: ServerProcess
  readonly api: RemoteClient
  readonly embedder: Embedder
  /** The model's name, for messages. */
  readonly name: string
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly vocabulary: Vocabulary
  readonly vocabularyTokens: number
  /** What the tokenizer puts before every text. */
  readonly begin: readonly number[]
}

export class ServerCompleter implements Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes = 0
  readonly vocabulary: Vocabulary
  readonly vocabularyTokens: number
  readonly pid?: number
  readonly #ending = Promise.withResolvers<Failure | undefined>()
  readonly ended = this.#ending.promise
  readonly #init: ServerCompleterInit
  readonly #calls: Calls<PromisedWork>

  constructor(init: ServerCompleterInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.vocabulary = init.vocabulary
    this.vocabularyTokens = init.vocabularyTokens
    if (init.process.pid !== undefined) this.pid = init.process.pid
    const { slots, maxWaiting } = init.settings
    this.#calls = new Calls({ slots, maxWaiting, clock: realClock })
  }

  load(): WorkerLoad {
    return this.#calls.load()
  }

  complete(request: CompletionRequest): InferStream {
    return this.#enter(request.model, (work) => this.#complete(work, request), request.again)
  }

  embed(request: EmbeddingRequest): InferStream {
    return this.#enter(request.model, async (work) => {
      for await (const frame of this.#init.embedder.embed(request, work.signal)) await work.give(frame)
    })
  }

  tokenize(text: string): Promise<readonly number[]> {
    return this.#tokens(text, true)
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    const answer = await this.#init.api.ask('POST', '/detokenize', { tokens })
    if (!contentCheck.Check(answer)) throw new RemoteError(500, 'the server answered /detokenize without text')
    return answer.content
  }

  async close(): Promise<void> {
    this.#calls.end({ kind: 'failed', code: 'cancelled', message: `${this.#init.name} was unloaded` })
    await this.#init.embedder.close()
    await this.#init.process.stop()
  }

  /** The process has ended. */
  end(failure: Failure | undefined): void {
    const message = failure?.message ?? `the engine of ${this.#init.name} was stopped`
    this.#calls.end({ kind: 'failed', code: 'engine-crashed', message })
    void this.#init.embedder.close()
    this.#ending.resolve(failure)
  }

  #enter(model: string, run: (work: PromisedWork) => Promise<void>, again = false): InferStream {
    return this.#calls.enter(model, (call) => new PromisedWork(call, (work) => this.#run(work, run)), again)
  }

  async #run(work: PromisedWork, run: (work: PromisedWork) => Promise<void>): Promise<void> {
    try {
      await run(work)
    } catch (error) {
      // A connection that broke is the process's end, which says more.
      if (error instanceof RemoteError && error.status === 0) await Promise.race([this.ended, pause()])
      work.push({ kind: 'failed', ...failureOf(error) })
    }
  }

  async #complete(work: PromisedWork, request: CompletionRequest): Promise<void> {
    const { format, grammarFrom, resume } = request
    if (format !== undefined && resume.length > grammarFrom) {
      throw new Error('this engine cannot continue an answer within its format: send the request again')
    }
    const { prompt, addedTokens } = await this.#promptTokens(request)
    if (work.signal.aborted) return
    const tokenize = (text: string) => this.#tokens(text, false)
    const frames = new CompletionFrames({ request, prompt, addedTokens, tokenize })
    const { bosToken, addsBos } = this.vocabulary
    const text = withoutBos(request.prompt, bosToken, addsBos)
    const body = completionBody({ ...request, prompt: text }, prompt, this.contextLength)
    for await (const event of this.#init.api.events('/completion', body, work.signal)) {
      for (const frame of await frames.framesOf(event)) {
        await work.give(frame)
        if (frame.kind === 'done') return
      }
    }
    throw new RemoteError(0, 'the stream ended without its last event')
  }

  /** The prompt and the answer so far; and how many of its first tokens nobody gave. */
  async #promptTokens(
    request: CompletionRequest,
  ): Promise<{ readonly prompt: readonly number[]; readonly addedTokens: number }> {
    const { before, prompt, resume, sampling } = request
    const given = [...before, ...(await this.#tokens(prompt, false))]
    const { begin, contextLength: contextTokens } = this.#init
    const added = begin[0] === given[0] ? [] : begin
    const keep = keptTokens(sampling.num_keep, begin.length > 0)
    const fitted = fitPrompt([...added, ...given], { ...request, contextTokens, keep })
    if (fitted.length === 0) throw new EmbeddingError('invalid-request', 'the prompt is empty')
    return { prompt: [...fitted, ...resume], addedTokens: added.length }
  }

  async #tokens(text: string, withSpecial: boolean): Promise<readonly number[]> {
    const answer = await this.#init.api.ask('POST', '/tokenize', { content: text, add_special: withSpecial })
    if (!tokensCheck.Check(answer)) throw new RemoteError(500, 'the server answered /tokenize without tokens')
    return answer.tokens
  }
}

const tokensCheck = Compile(Type.Object({ tokens: Type.Array(Type.Integer({ minimum: 0 })) }))
const contentCheck = Compile(Type.Object({ content: Type.String() }))

/** An exit is told moments after the connection broke. */
const exitMs = 500
const pause = () => new Promise((resolve) => setTimeout(resolve, exitMs).unref())

function failureOf(error: unknown): { readonly code: FailureCode; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof EmbeddingError) return { code: error.code, message }
  if (error instanceof PromptTooLongError) return { code: 'context-exceeded', message }
  if (error instanceof SchemaError) return { code: 'invalid-request', message }
  if (!(error instanceof RemoteError)) return { code: 'internal', message }
  if (error.status === 0) return { code: 'engine-crashed', message }
  return { code: error.status >= 400 && error.status < 500 ? 'invalid-request' : 'internal', message }
}
