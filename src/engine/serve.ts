/**
 * Serves one request on this node: straight from the engine where the model is loaded, else after the worker has
 * brought it into memory. Requests of other nodes always ask the worker first: it is the one that says no while this
 * node is leaving.
 */
import type { AcquireRefusal } from '../../actors/worker.ts'
import {
  type InferFrame,
  type InferRequest,
  type InferStream,
  type RefusalReason,
  unknownLoad,
} from '../../protocols/infer.ts'
import type { Message, Ref } from '../../protocols/ref.ts'
import { type Clock, realClock } from './clock.ts'
import type { Engines, HeldEngine } from './engines.ts'

/** How often a request that waits for its model says so: well inside the entry node's watchdog. */
const progressMs = 1000

/**
 * How long an engine may give no frame to somebody who waits for one. It reports every chunk of a prompt and every half
 * second in its queue, so this much silence is a hang; a very large model on a slow processor needs some of it.
 */
const engineStallMs = 60_000
/** How often that is looked at: one timer per request, none per token. */
const stallCheckMs = 5000

/** How often a request has its model loaded as it wants it, while others want it otherwise. */
const maxAttempts = 3

export interface ServeInit {
  readonly engines: Engines
  /** Asks the worker for a version, for this request; resolves with why it cannot be had, if so. */
  readonly acquire: (digest: string, request: InferRequest) => Promise<AcquireRefusal | undefined>
  readonly tell: (to: Ref, message: Message) => void
  /** Default: a minute. */
  readonly stallMs?: number
  /** Default: real time. */
  readonly clock?: Clock
}

type Batch = readonly InferFrame[]

/** Never throws; a request ends with `refused`, `done` or `failed`, and leaving the loop cancels it at once. */
export type Serve = (request: InferRequest) => InferStream

export function createServe(given: ServeInit): { readonly own: Serve; readonly foreign: Serve } {
  const init = { stallMs: engineStallMs, clock: realClock, ...given }
  const serve = (request: InferRequest, held: HeldEngine | undefined): InferStream => ({
    [Symbol.asyncIterator]: () => new Served(init, request, held),
  })
  return {
    own: (request) => serve(request, init.engines.get(request.digest, request.options)),
    foreign: (request) => serve(request, undefined),
  }
}

/** Not a generator: `return` of one would wait for the frame that is due, and the engine would go on until then. */
class Served implements AsyncIterator<Batch> {
  readonly #init: Required<ServeInit>
  readonly #request: InferRequest
  readonly #startMs: number
  #acquired: Promise<AcquireRefusal | undefined> | undefined
  #attempts = 0
  #held: HeldEngine | undefined
  #frames: AsyncIterator<Batch> | undefined
  #loadNs = 0
  #left = false
  #watchdog: unknown
  /** Since when somebody waits for the next frame; undefined: nobody does. */
  #waitingSinceMs: number | undefined
  #stalled = false

  constructor(init: Required<ServeInit>, request: InferRequest, held: HeldEngine | undefined) {
    this.#init = init
    this.#request = request
    this.#startMs = init.clock.monotonicMs()
    if (held === undefined) this.#acquire()
    else this.#begin(held)
  }

  async next(): Promise<IteratorResult<Batch>> {
    if (this.#left) return { done: true, value: undefined }
    if (this.#frames === undefined) {
      const waiting = await this.#wait()
      if (waiting !== undefined) return { done: false, value: [waiting] }
      if (this.#left) return { done: true, value: undefined }
    }
    this.#waitingSinceMs = this.#init.clock.monotonicMs()
    const result = await (this.#frames as AsyncIterator<Batch>).next()
    this.#waitingSinceMs = undefined
    if (result.done === true) {
      this.#leave()
      return this.#stalled ? { done: false, value: [stalledFrame] } : result
    }
    return { done: false, value: this.#withLoad(result.value) }
  }

  return(): Promise<IteratorResult<Batch>> {
    void this.#frames?.return?.()
    this.#leave()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** A frame to send while there is no engine yet, or as the end; undefined once the engine is answering. */
  async #wait(): Promise<InferFrame | undefined> {
    const { clock } = this.#init
    let timer: unknown
    const pause = new Promise<'waiting'>((resolve) => {
      timer = clock.setTimeout(() => resolve('waiting'), progressMs)
    })
    const outcome = await Promise.race([this.#acquired, pause])
    clock.clearTimeout(timer)
    if (this.#left) return undefined
    if (outcome === 'waiting') return { kind: 'progress', phase: 'loading', done: 0, total: 0 }
    const held = this.#ready()
    if (outcome === undefined && held !== undefined) {
      this.#begin(held)
      return undefined
    }
    if (outcome === undefined && this.#attempts < maxAttempts) {
      this.#acquire()
      return await this.#wait()
    }
    this.#left = true
    return refusedFrame(outcome)
  }

  #acquire(): void {
    const { engines, acquire } = this.#init
    this.#attempts += 1
    const request = this.#request
    const { digest } = request
    this.#acquired = engines.mayShare(digest)
      ? engines.ownerOf(digest, request.options).then(({ owner, options }) => acquire(owner, { ...request, options }))
      : acquire(digest, request)
  }

  /** As it is wanted: by the time that it is ready, another request may have had it loaded otherwise. */
  #ready(): HeldEngine | undefined {
    const { digest, options } = this.#request
    return this.#init.engines.get(digest, options) ?? this.#init.engines.shared(digest, options)
  }

  #begin(held: HeldEngine): void {
    const { keepAliveMs } = this.#request
    this.#held = held
    this.#loadNs = (this.#init.clock.monotonicMs() - this.#startMs) * 1e6
    this.#init.tell(held.ref, {
      type: 'request.started',
      load: held.load,
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    })
    this.#frames = held.engine.infer(this.#request)[Symbol.asyncIterator]()
    this.#watch(held)
  }

  #watch(held: HeldEngine): void {
    const { clock, stallMs } = this.#init
    this.#watchdog = clock.setTimeout(() => this.#checkStall(held), Math.min(stallCheckMs, stallMs))
  }

  /** A hung engine is its supervisor's: the actor that owns it crashes with it, and whoever waits here hears at once. */
  #checkStall(held: HeldEngine): void {
    const { tell, clock, stallMs } = this.#init
    const silentMs = this.#waitingSinceMs === undefined ? 0 : clock.monotonicMs() - this.#waitingSinceMs
    if (silentMs < stallMs) {
      this.#watch(held)
      return
    }
    this.#stalled = true
    tell(held.ref, { type: 'engine.stalled', load: held.load, silentMs: Math.round(silentMs) })
    void this.#frames?.return?.()
  }

  /** Once, whoever ends it first. */
  #leave(): void {
    this.#left = true
    this.#init.clock.clearTimeout(this.#watchdog)
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#init.tell(held.ref, { type: 'request.ended', load: held.load })
  }

  #withLoad(batch: Batch): Batch {
    const last = batch.at(-1)
    return last?.kind === 'done' ? [...batch.slice(0, -1), { ...last, loadNs: this.#loadNs }] : batch
  }
}

const refusals: ReadonlySet<string> = new Set(['busy', 'draining', 'no-such-model', 'insufficient-memory'])
const stalledFrame: InferFrame = {
  kind: 'failed',
  code: 'stalled',
  message: 'the engine fell silent and is being restarted: send the request again',
}

/** An engine that was ready and is gone again is busy with restarting: the next holder may be quicker. */
function refusedFrame(refusal: AcquireRefusal | undefined): InferFrame {
  const { code, message } = refusal ?? { code: 'busy' as const, message: 'the engine is restarting' }
  if (refusals.has(code)) return { kind: 'refused', reason: code as RefusalReason, message, load: unknownLoad }
  return { kind: 'failed', code: code as 'model-unusable' | 'load-failed', message }
}
