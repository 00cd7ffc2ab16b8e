/** A simulated engine: slots, waiting, prefix cache, back-pressure and faults behave as in a real one. */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { FailureCode, InferFrame, InferStream, WorkerLoad } from '../../protocols/infer.ts'
import { Channel } from '../runtime/channel.ts'
import { Admission, type Ticket } from './admission.ts'
import type { Clock } from './clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from './completer.ts'
import type { EngineSettings } from './driver.ts'
import { refusedStream } from './frames.ts'
import { SchemaError } from './grammar/json-schema.ts'
import type { SimFaults } from './sim-faults.ts'
import { simChatTemplate, simTextOf, tokenizeSim } from './sim-text.ts'
import { type SimWork, SimWorkError, type SimWorkInit, simCompletion, simEmbedding } from './sim-work.ts'
import { chooseSlot, commonPrefix } from './slot-choice.ts'
import { EmbeddingError } from './vector.ts'

/** Frames that wait for a slow consumer before its request sits out, in frames. */
const highWaterFrames = 64
/** Between two rounds of a timed engine, in ms: what a timer can do. A round makes up for what was due. */
const roundMs = 1

interface Call {
  readonly channel: Channel<InferFrame>
  ticket: Ticket | undefined
  work: SimWork | undefined
  slot: number | undefined
  /** Steps may be taken: the prompt is evaluated. */
  running: boolean
  paused: boolean
  /** When stepping began or went on after a pause, and the steps since, so that speed is kept over time. */
  sinceMs: number
  steps: number
  tokens: number
  timer: unknown
}

export interface SimCompleterInit {
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly tokensPerSecond: number
  readonly prefillTokensPerSecond: number
  readonly faults: SimFaults
  readonly clock: Clock
  /** Uniform in [0, 1): seeds, where a request brings none. */
  readonly random: () => number
}

type NewWork = (init: SimWorkInit) => SimWork

export class SimCompleter implements Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes = 0
  readonly vocabulary: Vocabulary = { chatTemplate: simChatTemplate, bosToken: '', eosToken: '', addsBos: false }
  readonly ended: Promise<Failure | undefined>
  readonly #init: SimCompleterInit
  readonly #admission: Admission
  readonly #calls = new Set<Call>()
  /** What each slot's cache holds. */
  readonly #cache: (readonly number[])[]
  readonly #taken = new Set<number>()
  #round: unknown
  #producedTokens = 0
  #over = false
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: SimCompleterInit) {
    const { settings, model, clock } = init
    this.#init = init
    this.contextLength = settings.contextTokens
    this.sizeBytes = model.sizeBytes
    this.#admission = new Admission({ slots: settings.slots, maxWaiting: settings.maxWaiting, clock })
    this.#cache = Array.from({ length: settings.slots }, () => [])
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  load(): WorkerLoad {
    return this.#admission.load()
  }

  complete(request: CompletionRequest): InferStream {
    return this.#enter(request.model, (init) => simCompletion(request, init), request.again)
  }

  embed(request: EmbeddingRequest): InferStream {
    return this.#enter(request.model, (init) => simEmbedding(request, init))
  }

  tokenize(text: string): Promise<readonly number[]> {
    return Promise.resolve(tokenizeSim(text))
  }

  detokenize(tokens: readonly number[]): Promise<string> {
    return Promise.resolve(simTextOf(tokens))
  }

  #enter(model: string, work: NewWork, again = false): InferStream {
    const { refuse } = this.#init.faults
    if (refuse !== undefined) return refusedStream(refuse, `${model}: told to refuse`, this.load())
    if (this.#over) return refusedStream('draining', `${model} is being unloaded`, this.load())
    const call = this.#newCall()
    call.ticket = this.#admission.enter(
      () => this.#begin(call, work),
      (before, waiting) => call.channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
      again,
    )
    if (call.ticket === undefined) {
      return refusedStream('busy', `every slot for ${model} is taken and its queue is full`, this.load())
    }
    this.#calls.add(call)
    call.channel.push({ kind: 'accepted', load: this.load() })
    if (!call.ticket.waiting) this.#begin(call, work)
    return call.channel
  }

  async close(): Promise<void> {
    this.#end(undefined, 'cancelled', `${this.#init.model.name} was unloaded`)
  }

  #newCall(): Call {
    const call: Call = {
      channel: new Channel<InferFrame>({
        highWater: highWaterFrames,
        onDrain: () => this.#continue(call),
        onCancel: () => this.#leave(call),
      }),
      ticket: undefined,
      work: undefined,
      slot: undefined,
      running: false,
      paused: false,
      sinceMs: 0,
      steps: 0,
      tokens: 0,
      timer: undefined,
    }
    return call
  }

  #begin(call: Call, work: NewWork): void {
    const { settings, clock, random } = this.#init
    try {
      call.work = work({ contextTokens: settings.contextTokens, monotonicMs: () => clock.monotonicMs(), random })
    } catch (error) {
      this.#fail(call, error)
      return
    }
    this.#prefill(call, call.work.promptLength === 0 ? 0 : this.#takeSlot(call, call.work))
  }

  /** @returns how many of the prompt's tokens the chosen slot holds already */
  #takeSlot(call: Call, work: SimWork): number {
    const free = this.#cache
      .map((held, id) => ({ id, prefix: commonPrefix(held, work.tokens) }))
      .filter(({ id }) => !this.#taken.has(id))
    call.slot = chooseSlot(free)
    if (call.slot === undefined) return 0
    this.#taken.add(call.slot)
    const held = commonPrefix(this.#cache[call.slot] ?? [], work.tokens.slice(0, -1))
    const cached = Math.min(held, work.promptLength)
    work.cached(cached)
    return cached
  }

  /** Evaluates the prompt from `done` on, a chunk per timer, or at once when that takes no time. */
  #prefill(call: Call, done: number): void {
    const { prefillTokensPerSecond, settings, clock } = this.#init
    const total = call.work?.promptLength ?? 0
    if (done < total && prefillTokensPerSecond > 0) {
      const chunk = Math.min(settings.prefillTokens, total - done)
      call.timer = clock.setTimeout(
        () => {
          call.timer = undefined
          call.channel.push({ kind: 'progress', phase: 'prefill', done: done + chunk, total })
          this.#prefill(call, done + chunk)
        },
        (chunk / prefillTokensPerSecond) * 1000,
      )
      return
    }
    call.running = true
    this.#continue(call)
  }

  #continue(call: Call): void {
    call.paused = false
    call.sinceMs = this.#init.clock.monotonicMs()
    call.steps = 0
    if (!call.running) return
    if (this.#init.tokensPerSecond > 0) this.#scheduleRound()
    else this.#steps(call, Number.POSITIVE_INFINITY)
  }

  #scheduleRound(): void {
    if (this.#round !== undefined) return
    const { clock, tokensPerSecond } = this.#init
    const delayMs = Math.max(roundMs, 1000 / tokensPerSecond)
    this.#round = clock.setTimeout(() => {
      this.#round = undefined
      const nowMs = clock.monotonicMs()
      for (const call of [...this.#calls]) {
        if (call.running && !call.paused)
          this.#steps(call, dueSteps(nowMs - call.sinceMs, tokensPerSecond) - call.steps)
      }
      for (const call of this.#calls) {
        if (call.running && !call.paused) return this.#scheduleRound()
      }
    }, delayMs)
  }

  /** Takes up to `count` steps, fewer when the consumer does not keep up or a fault strikes. */
  #steps(call: Call, count: number): void {
    const { crashAfterTokens, stallAfterTokens } = this.#init.faults
    for (let left = count; left > 0 && !call.paused && this.#calls.has(call); left--) {
      if (stallAfterTokens !== undefined && call.tokens >= stallAfterTokens) {
        call.running = false
        return
      }
      this.#step(call)
      if (crashAfterTokens !== undefined && this.#producedTokens >= crashAfterTokens) this.#crash()
    }
  }

  #step(call: Call): void {
    let frames: readonly InferFrame[] = []
    try {
      frames = call.work?.step() ?? []
    } catch (error) {
      this.#fail(call, error)
      return
    }
    call.steps += 1
    for (const frame of frames) {
      const more = call.channel.push(frame)
      if (frame.kind === 'token') {
        call.tokens += frame.tokens.length
        this.#producedTokens += frame.tokens.length
      }
      if (frame.kind === 'done') {
        call.channel.end()
        this.#leave(call)
      } else if (!more) {
        call.paused = true
      }
    }
  }

  #fail(call: Call, error: unknown): void {
    call.channel.push(failureOf(error))
    call.channel.end()
    this.#leave(call)
  }

  #leave(call: Call): void {
    if (!this.#calls.delete(call)) return
    if (call.timer !== undefined) this.#init.clock.clearTimeout(call.timer)
    if (call.slot !== undefined) {
      this.#cache[call.slot] = call.work?.tokens ?? []
      this.#taken.delete(call.slot)
    }
    call.ticket?.leave()
  }

  #crash(): void {
    const message = `the engine of ${this.#init.model.name} (simulated) was told to crash`
    this.#end({ name: 'EngineCrashed', message }, 'engine-crashed', message)
  }

  #end(failure: Failure | undefined, code: FailureCode, message: string): void {
    if (this.#over) return
    this.#over = true
    this.#admission.clear()
    if (this.#round !== undefined) this.#init.clock.clearTimeout(this.#round)
    for (const call of this.#calls) {
      if (call.timer !== undefined) this.#init.clock.clearTimeout(call.timer)
      call.channel.push({ kind: 'failed', code, message })
      call.channel.end()
    }
    this.#calls.clear()
    this.#resolveEnded(failure)
  }
}

/** Steps that are due after so long, with room for a clock that reads a hair early. */
function dueSteps(elapsedMs: number, perSecond: number): number {
  return Math.floor((elapsedMs * perSecond) / 1000 + 1e-6)
}

function failureOf(error: unknown): Extract<InferFrame, { kind: 'failed' }> {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof SchemaError)
    return { kind: 'failed', code: 'invalid-request', message: `invalid format: ${message}` }
  const code = error instanceof SimWorkError || error instanceof EmbeddingError ? error.code : 'internal'
  return { kind: 'failed', code, message }
}
