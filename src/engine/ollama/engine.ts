/** A model in another Ollama's memory, as an engine: requests go there, lines come back. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { FailureCode, InferRequest, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { Calls, PromisedWork } from '../calls.ts'
import { realClock } from '../clock.ts'
import type { EngineSettings, LoadedEngine } from '../driver.ts'
import { loadedOnly } from '../frames.ts'
import { shapeVector } from '../vector.ts'
import { type OllamaClient, OllamaError } from './client.ts'
import { answerRequest, framesOf } from './work.ts'

/** Ollama says nothing while it evaluates a prompt: this often we say that it is still connected, */
const aliveMs = 5000
/** and for this long at most, so that one which hangs is found out. */
const maxSilenceMs = 5 * 60_000

export interface OllamaEngineInit {
  readonly client: OllamaClient
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  /** Whether the name still means this version there. Rejects with an OllamaError. */
  readonly isCurrent: () => Promise<boolean>
}

export class OllamaEngine implements LoadedEngine {
  readonly reloadsItself = true
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly ended: Promise<Failure | undefined>
  readonly #init: OllamaEngineInit
  readonly #calls: Calls<PromisedWork>
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: OllamaEngineInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
    const { slots, maxWaiting } = init.settings
    this.#calls = new Calls({ slots, maxWaiting, clock: realClock })
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
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
    const { client, model } = this.#init
    // Best effort: an Ollama that is gone holds nothing.
    await client.ask('POST', '/api/generate', { model: model.name, keep_alive: 0 }).catch(() => undefined)
  }

  async #run(work: PromisedWork, request: InferRequest): Promise<void> {
    const alive = keptAlive(work)
    try {
      if (!(await this.#init.isCurrent())) throw new OllamaError(404, `${this.#init.model.name} is another version now`)
      if (request.work.kind === 'embed') await this.#embed(work, request, request.work)
      else if (request.work.kind !== 'load') await this.#answer(work, request, request.work, alive.heard)
    } catch (error) {
      this.#fail(work, error)
    } finally {
      alive.stop()
    }
  }

  async #answer(
    work: PromisedWork,
    request: InferRequest,
    asked: Extract<InferRequest['work'], { kind: 'generate' | 'chat' }>,
    heard: () => void,
  ): Promise<void> {
    const { client, model } = this.#init
    const { path, body } = answerRequest(request, asked, model.name)
    for await (const line of client.lines(path, body, work.signal)) {
      heard()
      for (const frame of framesOf(line)) await work.give(frame)
      if (line.done === true || '_debug_info' in line) return
    }
    throw new OllamaError(0, 'the answer ended without its last line')
  }

  /** Ollama normalizes what `/api/embed` gives, and nothing that `/api/embeddings` gives. */
  async #embed(
    work: PromisedWork,
    { options }: InferRequest,
    asked: Extract<InferRequest['work'], { kind: 'embed' }>,
  ): Promise<void> {
    const { client, model } = this.#init
    const shared = { model: model.name, options, keep_alive: -1 }
    const { input, truncate, dimensions = 0, normalize } = asked
    const ask = (path: string, body: object): Promise<unknown> =>
      client.ask('POST', path, { ...shared, ...body }, work.signal)
    let promptTokens = 0
    if (normalize) {
      const answer = embedAnswer(await ask('/api/embed', { input, truncate, dimensions }))
      promptTokens = answer.prompt_eval_count ?? 0
      for (const [index, vector] of answer.embeddings.entries()) {
        await work.give({ kind: 'embedding', index, vector: Float32Array.from(vector) })
      }
    } else {
      for (const [index, prompt] of input.entries()) {
        const { embedding } = embeddingsAnswer(await ask('/api/embeddings', { prompt }))
        await work.give({ kind: 'embedding', index, vector: shapeVector(embedding, dimensions, false) })
      }
    }
    work.push({ kind: 'done', reason: 'stop', ...noTimes, promptTokens })
  }

  #fail(work: PromisedWork, error: unknown): void {
    if (work.signal.aborted) return
    const message = error instanceof Error ? error.message : String(error)
    work.push({ kind: 'failed', code: codeOf(error), message })
    // Nothing answers there any more: the supervisor of the engines decides what comes next.
    if (error instanceof OllamaError && error.status === 0) {
      this.#end({ name: error.name, message }, 'engine-crashed', message)
    }
  }

  #end(failure: Failure | undefined, code: FailureCode, message: string): void {
    if (this.#calls.end({ kind: 'failed', code, message })) this.#resolveEnded(failure)
  }
}

const noTimes = { cachedTokens: 0, promptNs: 0, evalTokens: 0, evalNs: 0, loadNs: 0 }

/** Says now and then that an answer which has not begun is still on its way. */
function keptAlive(work: PromisedWork) {
  const beganMs = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - beganMs > maxSilenceMs) clearInterval(timer)
    else work.push({ kind: 'progress', phase: 'prefill', done: 0, total: 0 })
  }, aliveMs)
  return { heard: () => clearInterval(timer), stop: () => clearInterval(timer) }
}

function codeOf(error: unknown): FailureCode {
  const status = error instanceof OllamaError ? error.status : 500
  if (status === 0) return 'engine-crashed'
  if (/context length/.test((error as Error).message)) return 'context-exceeded'
  return status >= 400 && status < 500 && status !== 404 ? 'invalid-request' : 'internal'
}

const vector = Type.Array(Type.Number())
const embedCheck = Compile(
  Type.Object({ embeddings: Type.Array(vector), prompt_eval_count: Type.Optional(Type.Number()) }),
)
const embeddingsCheck = Compile(Type.Object({ embedding: vector }))

function embedAnswer(value: unknown) {
  if (embedCheck.Check(value)) return value
  throw new OllamaError(500, 'the Ollama answered /api/embed without vectors')
}

function embeddingsAnswer(value: unknown) {
  if (embeddingsCheck.Check(value)) return value
  throw new OllamaError(500, 'the Ollama answered /api/embeddings without a vector')
}
