/** A simulated engine: slots, waiting, prefix cache, back-pressure and faults behave as in a real one. */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { FailureCode, InferFrame, InferStream, WorkerLoad } from '../../protocols/infer.ts'
import { PromptTooLongError } from '../prompt/truncation.ts'
import { type Call, Calls, type Work } from './calls.ts'
import type { Clock } from './clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from './completer.ts'
import type { EngineSettings } from './driver.ts'
import { refusedStream } from './frames.ts'
import { SchemaError } from './grammar/json-schema.ts'
import type { SimFaults } from './sim-faults.ts'
import { simChatTemplate, simTextOf, simVocabularyTokens, tokenizeSim } from './sim-text.ts'
import { type SimWork, SimWorkError, type SimWorkInit, simCompletion, simEmbedding } from './sim-work.ts'
import { chooseSlot, commonPrefix } from './slot-choice.ts'
import { EmbeddingError } from './vector.ts'

/** Between two rounds of a timed engine, in ms: what a timer can do. A round makes up for what was due. */
const roundMs = 1

interface Stream extends Work {
  readonly call: Call
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
  readonly vocabularyTokens = simVocabularyTokens
  readonly #ending = Promise.withResolvers<Failure | undefined>()
  readonly ended = this.#ending.promise
  readonly #init: SimCompleterInit
  readonly #calls: Calls<Stream>
  /** What each slot's cache holds. */
  readonly #cache: (readonly number[])[]
  readonly #taken = new Set<number>()
  #round: unknown
  #producedTokens = 0

  constructor(init: SimCompleterInit) {
    const { settings, model, clock } = init
    this.#init = init
    this.contextLength = settings.contextTokens
    this.sizeBytes = model.sizeBytes
    this.#calls = new Calls({ slots: settings.slots, maxWaiting: settings.maxWaiting, clock })
    this.#cache = Array.from({ length: settings.slots }, () => [])
  }

  load(): WorkerLoad {
    return this.#calls.load()
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
    return this.#calls.enter(model, (call) => this.#streamOf(call, work), again)
  }

  async close(): Promise<void> {
    this.#end(undefined, 'cancelled', `${this.#init.model.name} was unloaded`)
  }

  #streamOf(call: Call, work: NewWork): Stream {
    const stream: Stream = {
      call,
      begin: () => this.#begin(stream, work),
      drained: () => this.#continue(stream),
      cancelled: () => this.#leave(stream),
      ended: () => this.#init.clock.clearTimeout(stream.timer),
      work: undefined,
      slot: undefined,
      running: false,
      paused: false,
      sinceMs: 0,
      steps: 0,
      tokens: 0,
      timer: undefined,
    }
    return stream
  }

  #begin(stream: Stream, work: NewWork): void {
    const { settings, clock, random } = this.#init
    try {
      stream.work = work({ contextTokens: settings.contextTokens, monotonicMs: () => clock.monotonicMs(), random })
    } catch (error) {
      this.#fail(stream, error)
      return
    }
    this.#prefill(stream, stream.work.promptLength === 0 ? 0 : this.#takeSlot(stream, stream.work))
  }

  /** @returns how many of the prompt's tokens the chosen slot holds already */
  #takeSlot(stream: Stream, work: SimWork): number {
    const free = this.#cache
      .map((held, id) => ({ id, prefix: commonPrefix(held, work.tokens) }))
      .filter(({ id }) => !this.#taken.has(id))
    stream.slot = chooseSlot(free)
    if (stream.slot === undefined) return 0
    this.#taken.add(stream.slot)
    const held = commonPrefix(this.#cache[stream.slot] ?? [], work.tokens.slice(0, -1))
    const cached = Math.min(held, work.promptLength)
    work.cached(cached)
    return cached
  }

  /** Evaluates the prompt from `done` on, a chunk per timer, or at once when that takes no time. */
  #prefill(stream: Stream, done: number): void {
    const { prefillTokensPerSecond, settings, clock } = this.#init
    const total = stream.work?.promptLength ?? 0
    if (done < total && prefillTokensPerSecond > 0) {
      const chunk = Math.min(settings.prefillTokens, total - done)
      stream.timer = clock.setTimeout(
        () => {
          stream.timer = undefined
          stream.call.channel.push({ kind: 'progress', phase: 'prefill', done: done + chunk, total })
          this.#prefill(stream, done + chunk)
        },
        (chunk / prefillTokensPerSecond) * 1000,
      )
      return
    }
    stream.running = true
    this.#continue(stream)
  }

  #continue(stream: Stream): void {
    stream.paused = false
    stream.sinceMs = this.#init.clock.monotonicMs()
    stream.steps = 0
    if (!stream.running) return
    if (this.#init.tokensPerSecond > 0) this.#scheduleRound()
    else this.#steps(stream, Number.POSITIVE_INFINITY)
  }

  #scheduleRound(): void {
    if (this.#round !== undefined) return
    const { clock, tokensPerSecond } = this.#init
    const delayMs = Math.max(roundMs, 1000 / tokensPerSecond)
    this.#round = clock.setTimeout(() => {
      this.#round = undefined
      const nowMs = clock.monotonicMs()
      for (const stream of this.#calls.works()) {
        if (stream.running && !stream.paused)
          this.#steps(stream, dueSteps(nowMs - stream.sinceMs, tokensPerSecond) - stream.steps)
      }
      if (this.#calls.works().some(({ running, paused }) => running && !paused)) this.#scheduleRound()
    }, delayMs)
  }

  /** Takes up to `count` steps, fewer when the consumer does not keep up or a fault strikes. */
  #steps(stream: Stream, count: number): void {
    const { crashAfterTokens, stallAfterTokens } = this.#init.faults
    for (let left = count; left > 0 && !stream.paused && stream.call.isOpen(); left--) {
      if (stallAfterTokens !== undefined && stream.tokens >= stallAfterTokens) {
        stream.running = false
        return
      }
      this.#step(stream)
      if (crashAfterTokens !== undefined && this.#producedTokens >= crashAfterTokens) this.#crash()
    }
  }

  #step(stream: Stream): void {
    let frames: readonly InferFrame[] = []
    try {
      frames = stream.work?.step() ?? []
    } catch (error) {
      this.#fail(stream, error)
      return
    }
    stream.steps += 1
    for (const frame of frames) {
      const more = stream.call.channel.push(frame)
      if (frame.kind === 'token') {
        stream.tokens += frame.tokens.length
        this.#producedTokens += frame.tokens.length
      }
      if (frame.kind === 'done') {
        stream.call.channel.end()
        this.#leave(stream)
      } else if (!more) {
        stream.paused = true
      }
    }
  }

  #fail(stream: Stream, error: unknown): void {
    stream.call.channel.push(failureOf(error))
    stream.call.channel.end()
    this.#leave(stream)
  }

  #leave(stream: Stream): void {
    if (!stream.call.isOpen()) return
    if (stream.timer !== undefined) this.#init.clock.clearTimeout(stream.timer)
    if (stream.slot !== undefined) {
      this.#cache[stream.slot] = stream.work?.tokens ?? []
      this.#taken.delete(stream.slot)
    }
    stream.call.leave()
  }

  #crash(): void {
    const message = `the engine of ${this.#init.model.name} (simulated) was told to crash`
    this.#end({ name: 'EngineCrashed', message }, 'engine-crashed', message)
  }

  #end(failure: Failure | undefined, code: FailureCode, message: string): void {
    if (!this.#calls.end({ kind: 'failed', code, message })) return
    if (this.#round !== undefined) this.#init.clock.clearTimeout(this.#round)
    this.#ending.resolve(failure)
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
  if (error instanceof PromptTooLongError) return { kind: 'failed', code: 'context-exceeded', message }
  const code = error instanceof SimWorkError || error instanceof EmbeddingError ? error.code : 'internal'
  return { kind: 'failed', code, message }
}
