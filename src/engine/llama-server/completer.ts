/** One model in a server of its own: admission here, batching there. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Failure } from '../../../protocols/exit.ts'
import type { FailureCode, InferFrame, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { fitPrompt, promptTooLong } from '../../prompt/truncation.ts'
import { Channel } from '../../runtime/channel.ts'
import { Admission, type Ticket } from '../admission.ts'
import { realClock } from '../clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from '../completer.ts'
import type { EngineSettings } from '../driver.ts'
import { refusedStream } from '../frames.ts'
import { SchemaError } from '../grammar/json-schema.ts'
import { EmbeddingError } from '../vector.ts'
import { type ServerApi, ServerError } from './api.ts'
import { CompletionFrames, completionBody } from './completion.ts'
import type { Embedder } from './embedder.ts'
import type { ServerProcess } from './process.ts'

/** Frames that wait for a slow consumer before its stream is left unread. */
const highWaterFrames = 64

export interface ServerCompleterInit {
  readonly process: ServerProcess
  readonly api: ServerApi
  readonly embedder: Embedder
  /** The model's name, for messages. */
  readonly name: string
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly vocabulary: Vocabulary
}

interface Call {
  readonly abort: AbortController
  readonly channel: Channel<InferFrame>
  ticket: Ticket | undefined
  resume: (() => void) | undefined
}

type Work = (call: Call) => Promise<void>

export class ServerCompleter implements Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes = 0
  readonly vocabulary: Vocabulary
  readonly pid?: number
  readonly ended: Promise<Failure | undefined>
  readonly #init: ServerCompleterInit
  readonly #admission: Admission
  readonly #calls = new Set<Call>()
  #over = false
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: ServerCompleterInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.vocabulary = init.vocabulary
    if (init.process.pid !== undefined) this.pid = init.process.pid
    const { slots, maxWaiting } = init.settings
    this.#admission = new Admission({ slots, maxWaiting, clock: realClock })
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  load(): WorkerLoad {
    return this.#admission.load()
  }

  complete(request: CompletionRequest): InferStream {
    return this.#enter(request.model, (call) => this.#complete(call, request), request.again)
  }

  embed(request: EmbeddingRequest): InferStream {
    return this.#enter(request.model, async (call) => {
      for await (const frame of this.#init.embedder.embed(request, call.abort.signal)) await give(call, frame)
    })
  }

  async tokenize(text: string): Promise<readonly number[]> {
    const answer = await this.#init.api.ask('POST', '/tokenize', { content: text, add_special: true })
    if (!tokensCheck.Check(answer)) throw new ServerError(500, 'the server answered /tokenize without tokens')
    return answer.tokens
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    const answer = await this.#init.api.ask('POST', '/detokenize', { tokens })
    if (!contentCheck.Check(answer)) throw new ServerError(500, 'the server answered /detokenize without text')
    return answer.content
  }

  async close(): Promise<void> {
    this.#finish({ kind: 'failed', code: 'cancelled', message: `${this.#init.name} was unloaded` })
    await this.#init.embedder.close()
    await this.#init.process.stop()
  }

  /** The process has ended. */
  end(failure: Failure | undefined): void {
    const message = failure?.message ?? `the engine of ${this.#init.name} was stopped`
    this.#finish({ kind: 'failed', code: 'engine-crashed', message })
    void this.#init.embedder.close()
    this.#resolveEnded(failure)
  }

  #enter(model: string, work: Work, again = false): InferStream {
    if (this.#over) return refusedStream('draining', `${model} is being unloaded`, this.load())
    const call: Call = {
      abort: new AbortController(),
      channel: new Channel<InferFrame>({
        highWater: highWaterFrames,
        onDrain: () => call.resume?.(),
        onCancel: () => this.#leave(call),
      }),
      ticket: undefined,
      resume: undefined,
    }
    call.ticket = this.#admission.enter(
      () => void this.#run(call, work),
      (before, waiting) => call.channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
      again,
    )
    if (call.ticket === undefined) {
      return refusedStream('busy', `every slot for ${model} is taken and its queue is full`, this.load())
    }
    this.#calls.add(call)
    call.channel.push({ kind: 'accepted', load: this.load() })
    if (!call.ticket.waiting) void this.#run(call, work)
    return call.channel
  }

  async #run(call: Call, work: Work): Promise<void> {
    try {
      await work(call)
    } catch (error) {
      // A connection that broke is the process's end, which says more.
      if (error instanceof ServerError && error.status === 0) await Promise.race([this.ended, pause()])
      call.channel.push({ kind: 'failed', ...failureOf(error) })
    } finally {
      call.channel.end()
      this.#leave(call)
    }
  }

  async #complete(call: Call, request: CompletionRequest): Promise<void> {
    const { format, grammarFrom, resume } = request
    if (format !== undefined && resume.length > grammarFrom) {
      throw new Error('this engine cannot continue an answer within its format: send the request again')
    }
    const prompt = await this.#promptTokens(request)
    if (call.abort.signal.aborted) return
    const frames = new CompletionFrames(request, prompt)
    const body = completionBody(request, prompt, this.contextLength)
    for await (const event of this.#init.api.events('/completion', body, call.abort.signal)) {
      for (const frame of frames.framesOf(event)) {
        await give(call, frame)
        if (frame.kind === 'done') return
      }
    }
    throw new ServerError(0, 'the stream ended without its last event')
  }

  async #promptTokens({ before, prompt, resume, shift, sampling }: CompletionRequest): Promise<readonly number[]> {
    const answer = await this.#init.api.ask('POST', '/tokenize', { content: prompt, add_special: before.length === 0 })
    const tokens = tokensCheck.Check(answer) ? answer.tokens : []
    const fitted = fitPrompt([...before, ...tokens], this.contextLength, shift ? sampling.num_keep : undefined)
    if (fitted === undefined) throw new EmbeddingError('context-exceeded', promptTooLong)
    if (fitted.length === 0) throw new EmbeddingError('invalid-request', 'the prompt is empty')
    return [...fitted, ...resume]
  }

  #leave(call: Call): void {
    if (!this.#calls.delete(call)) return
    call.abort.abort()
    call.resume?.()
    call.ticket?.leave()
  }

  #finish(last: InferFrame): void {
    if (this.#over) return
    this.#over = true
    this.#admission.clear()
    for (const call of this.#calls) {
      call.channel.push(last)
      call.channel.end()
      call.abort.abort()
    }
    this.#calls.clear()
  }
}

const tokensCheck = Compile(Type.Object({ tokens: Type.Array(Type.Integer({ minimum: 0 })) }))
const contentCheck = Compile(Type.Object({ content: Type.String() }))

/** Pushes a frame, and waits while the consumer does not keep up. */
async function give(call: Call, frame: InferFrame): Promise<void> {
  if (call.channel.push(frame) || call.channel.closed) return
  await new Promise<void>((resolve) => {
    call.resume = resolve
  })
}

/** An exit is told moments after the connection broke. */
const exitMs = 500
const pause = () => new Promise((resolve) => setTimeout(resolve, exitMs).unref())

function failureOf(error: unknown): { readonly code: FailureCode; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof EmbeddingError) return { code: error.code, message }
  if (error instanceof SchemaError) return { code: 'invalid-request', message }
  if (!(error instanceof ServerError)) return { code: 'internal', message }
  if (error.status === 0) return { code: 'engine-crashed', message }
  return { code: error.status >= 400 && error.status < 500 ? 'invalid-request' : 'internal', message }
}
