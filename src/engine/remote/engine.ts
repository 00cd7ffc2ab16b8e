/** A model that another server computes, as an engine: requests go there, and what it says comes back as frames. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { FailureCode, InferFrame, InferRequest, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { Calls, PromisedWork } from '../calls.ts'
import { realClock } from '../clock.ts'
import type { EngineSettings, LoadedEngine } from '../driver.ts'
import { loadedOnly } from '../frames.ts'
import { OptionError } from '../options.ts'
import { EmbeddingError } from '../vector.ts'
import { RemoteError } from './client.ts'

/** A server says nothing while it evaluates a prompt: this often we say that it is still connected, */
const aliveMs = 5000
/** and for this long at most, so that one which hangs is found out. */
const maxSilenceMs = 5 * 60_000

export type AnswerWork = Extract<InferRequest['work'], { kind: 'generate' | 'chat' }>
export type EmbedWork = Extract<InferRequest['work'], { kind: 'embed' }>

/** What a kind of server does for one model. Streams end with `done`; they throw what `RemoteEngine` makes failures of. */
export interface RemoteModel {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  answer(request: InferRequest, work: AnswerWork, signal: AbortSignal): AsyncIterable<InferFrame>
  embed(request: InferRequest, work: EmbedWork, signal: AbortSignal): AsyncIterable<InferFrame>
  /** The server need not keep it in memory for us. Never rejects. */
  unload(): Promise<void>
}

export interface RemoteEngineInit {
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly remote: RemoteModel
}

export class RemoteEngine implements LoadedEngine {
  readonly reloadsItself = true
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly #ending = Promise.withResolvers<Failure | undefined>()
  readonly ended = this.#ending.promise
  readonly #init: RemoteEngineInit
  readonly #calls: Calls<PromisedWork>

  constructor(init: RemoteEngineInit) {
    this.#init = init
    this.contextLength = init.remote.contextLength
    this.sizeBytes = init.remote.sizeBytes
    this.sizeVramBytes = init.remote.sizeVramBytes
    const { slots, maxWaiting } = init.settings
    this.#calls = new Calls({ slots, maxWaiting, clock: realClock })
  }

  load(): WorkerLoad {
    return this.#calls.load()
  }

  infer(request: InferRequest): InferStream {
    if (request.work.kind === 'load' && !this.#calls.over) return loadedOnly(this.load())
    return this.#calls.enter(request.model, (call) => new PromisedWork(call, (work) => this.#run(work, request)))
  }

  async close(): Promise<void> {
    this.#end(undefined, 'cancelled', `${this.#init.model.name} was unloaded`)
    await this.#init.remote.unload()
  }

  async #run(work: PromisedWork, request: InferRequest): Promise<void> {
    const alive = keptAlive(work)
    try {
      for await (const frame of this.#frames(request, work.signal)) {
        alive.stop()
        await work.give(frame)
        if (frame.kind === 'done') return
      }
      throw new RemoteError(0, 'the answer ended in the middle')
    } catch (error) {
      this.#fail(work, error)
    } finally {
      alive.stop()
    }
  }

  #frames(request: InferRequest, signal: AbortSignal): AsyncIterable<InferFrame> {
    const { work, resume } = request
    const { remote } = this.#init
    if (work.kind === 'embed') return remote.embed(request, work, signal)
    // Only the token numbers are known of what the client has, and to this server they may mean something else.
    if ((resume?.tokens.length ?? 0) > 0) {
      throw new RemoteError(500, 'this engine cannot continue an answer: send the request again')
    }
    return remote.answer(request, work as AnswerWork, signal)
  }

  #fail(work: PromisedWork, error: unknown): void {
    if (work.signal.aborted) return
    const message = error instanceof Error ? error.message : String(error)
    work.push({ kind: 'failed', code: codeOf(error), message })
    // Nothing answers there any more: the supervisor of the engines decides what comes next.
    if (error instanceof RemoteError && error.status === 0) {
      this.#end({ name: error.name, message }, 'engine-crashed', message)
    }
  }

  #end(failure: Failure | undefined, code: FailureCode, message: string): void {
    if (this.#calls.end({ kind: 'failed', code, message })) this.#ending.resolve(failure)
  }
}

/** Says now and then that an answer which has not begun is still on its way. */
function keptAlive(work: PromisedWork) {
  const beganMs = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - beganMs > maxSilenceMs) clearInterval(timer)
    else work.push({ kind: 'progress', phase: 'prefill', done: 0, total: 0 })
  }, aliveMs)
  return { stop: () => clearInterval(timer) }
}

/** Statuses that say nothing about the request: a key, a name or a load that another server may not mind. */
const passing: ReadonlySet<number> = new Set([401, 403, 404, 408, 429])

function codeOf(error: unknown): FailureCode {
  if (error instanceof EmbeddingError) return error.code
  if (error instanceof OptionError) return 'invalid-request'
  if (!(error instanceof RemoteError)) return 'internal'
  const { status, message } = error
  if (status === 0) return 'engine-crashed'
  if (/context (length|size|window)/i.test(message)) return 'context-exceeded'
  return status >= 400 && status < 500 && !passing.has(status) ? 'invalid-request' : 'internal'
}
