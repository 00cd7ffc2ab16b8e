/** A model in another Ollama's memory, as an engine: requests go there, lines come back. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { FailureCode, InferFrame, InferRequest, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { Channel } from '../../runtime/channel.ts'
import { Admission, type Ticket } from '../admission.ts'
import { realClock } from '../clock.ts'
import type { EngineSettings, LoadedEngine } from '../driver.ts'
import { loadedOnly, refusedStream } from '../frames.ts'
import { shapeVector } from '../vector.ts'
import { type OllamaClient, OllamaError } from './client.ts'
import { answerRequest, framesOf } from './work.ts'

/** Frames that wait for a slow consumer before the answer is left unread. */
const highWaterFrames = 64
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

interface Call {
  readonly abort: AbortController
  readonly channel: Channel<InferFrame>
  ticket: Ticket | undefined
  resume: (() => void) | undefined
}

export class OllamaEngine implements LoadedEngine {
  readonly reloadsItself = true
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly ended: Promise<Failure | undefined>
  readonly #init: OllamaEngineInit
  readonly #admission: Admission
  readonly #calls = new Set<Call>()
  #over = false
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: OllamaEngineInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
    const { slots, maxWaiting } = init.settings
    this.#admission = new Admission({ slots, maxWaiting, clock: realClock })
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  load(): WorkerLoad {
    return this.#admission.load()
  }

  infer(request: InferRequest): InferStream {
    const { model } = request
    if (this.#over) return refusedStream('draining', `${model} is being unloaded`, this.load())
    if (request.work.kind === 'load') return loadedOnly(this.load())
    const abort = new AbortController()
    const call: Call = {
      abort,
      channel: new Channel<InferFrame>({
        highWater: highWaterFrames,
        onDrain: () => call.resume?.(),
        onCancel: () => this.#leave(call),
      }),
      ticket: undefined,
      resume: undefined,
    }
    call.ticket = this.#admission.enter(
      () => void this.#run(call, request),
      (before, waiting) => call.channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
    )
    if (call.ticket === undefined) {
      return refusedStream('busy', `every slot for ${model} is taken and its queue is full`, this.load())
    }
    this.#calls.add(call)
    call.channel.push({ kind: 'accepted', load: this.load() })
    if (!call.ticket.waiting) void this.#run(call, request)
    return call.channel
  }

  async close(): Promise<void> {
    this.#finish(undefined, { kind: 'failed', code: 'cancelled', message: `${this.#init.model.name} was unloaded` })
    const { client, model } = this.#init
    // Best effort: an Ollama that is gone holds nothing.
    await client.ask('POST', '/api/generate', { model: model.name, keep_alive: 0 }).catch(() => undefined)
  }

  async #run(call: Call, request: InferRequest): Promise<void> {
    const alive = keptAlive(call.channel)
    try {
      if (!(await this.#init.isCurrent())) throw new OllamaError(404, `${this.#init.model.name} is another version now`)
      if (request.work.kind === 'embed') await this.#embed(call, request, request.work)
      else if (request.work.kind !== 'load') await this.#answer(call, request, request.work, alive.heard)
    } catch (error) {
      this.#fail(call, error)
    } finally {
      alive.stop()
      call.channel.end()
      this.#leave(call)
    }
  }

  async #answer(
    call: Call,
    request: InferRequest,
    work: Extract<InferRequest['work'], { kind: 'generate' | 'chat' }>,
    heard: () => void,
  ): Promise<void> {
    const { client, model } = this.#init
    const { path, body } = answerRequest(request, work, model.name)
    for await (const line of client.lines(path, body, call.abort.signal)) {
      heard()
      let more = true
      for (const frame of framesOf(line)) more = call.channel.push(frame)
      if (line.done === true || '_debug_info' in line) return
      if (!more) await taken(call)
    }
    throw new OllamaError(0, 'the answer ended without its last line')
  }

  /** Ollama normalizes what `/api/embed` gives, and nothing that `/api/embeddings` gives. */
  async #embed(
    call: Call,
    { options }: InferRequest,
    work: Extract<InferRequest['work'], { kind: 'embed' }>,
  ): Promise<void> {
    const { client, model } = this.#init
    const shared = { model: model.name, options, keep_alive: -1 }
    const { input, truncate, dimensions = 0, normalize } = work
    const ask = (path: string, body: object): Promise<unknown> =>
      client.ask('POST', path, { ...shared, ...body }, call.abort.signal)
    let promptTokens = 0
    if (normalize) {
      const answer = embedAnswer(await ask('/api/embed', { input, truncate, dimensions }))
      promptTokens = answer.prompt_eval_count ?? 0
      for (const [index, vector] of answer.embeddings.entries()) {
        call.channel.push({ kind: 'embedding', index, vector: Float32Array.from(vector) })
      }
    } else {
      for (const [index, prompt] of input.entries()) {
        const { embedding } = embeddingsAnswer(await ask('/api/embeddings', { prompt }))
        call.channel.push({ kind: 'embedding', index, vector: shapeVector(embedding, dimensions, false) })
      }
    }
    call.channel.push({ kind: 'done', reason: 'stop', ...noTimes, promptTokens })
  }

  #fail(call: Call, error: unknown): void {
    if (call.abort.signal.aborted) return
    const message = error instanceof Error ? error.message : String(error)
    call.channel.push({ kind: 'failed', code: codeOf(error), message })
    // Nothing answers there any more: the supervisor of the engines decides what comes next.
    if (error instanceof OllamaError && error.status === 0) this.#finish({ name: error.name, message }, undefined)
  }

  #leave(call: Call): void {
    if (!this.#calls.delete(call)) return
    call.abort.abort()
    call.resume?.()
    call.ticket?.leave()
  }

  #finish(failure: Failure | undefined, last: InferFrame | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#admission.clear()
    const lost: InferFrame = { kind: 'failed', code: 'engine-crashed', message: failure?.message ?? '' }
    for (const call of this.#calls) {
      call.channel.push(last ?? lost)
      call.channel.end()
      call.abort.abort()
    }
    this.#calls.clear()
    this.#resolveEnded(failure)
  }
}

const noTimes = { cachedTokens: 0, promptNs: 0, evalTokens: 0, evalNs: 0, loadNs: 0 }

/** Resolves when the consumer has taken what waits, or has gone. */
function taken(call: Call): Promise<void> {
  return new Promise((resolve) => {
    call.resume = resolve
    if (call.channel.closed || call.channel.waiting < highWaterFrames) resolve()
  })
}

/** Says now and then that an answer which has not begun is still on its way. */
function keptAlive(channel: Channel<InferFrame>) {
  const beganMs = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - beganMs > maxSilenceMs) clearInterval(timer)
    else channel.push({ kind: 'progress', phase: 'prefill', done: 0, total: 0 })
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
