/**
 * Serves one request on this node: straight from the engine where the model is loaded, else after the worker has
 * brought it into memory. Requests of other nodes always ask the worker first: it is the one that says no while this
 * node is leaving.
 */
import type { AcquireRefusal } from '../../actors/worker.ts'
import type { InferFrame, InferRequest, InferStream, RefusalReason } from '../../protocols/infer.ts'
import type { Message, Ref } from '../../protocols/ref.ts'
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

export interface ServeInit {
  readonly engines: Engines
  /** Asks the worker for the model; resolves with why it cannot be had, if so. */
  readonly acquire: (request: InferRequest) => Promise<AcquireRefusal | undefined>
  readonly tell: (to: Ref, message: Message) => void
  /** Default: a minute. */
  readonly stallMs?: number
}

type Batch = readonly InferFrame[]

/** Never throws; a request ends with `refused`, `done` or `failed`, and leaving the loop cancels it at once. */
export type Serve = (request: InferRequest) => InferStream

export function createServe(init: ServeInit): { readonly own: Serve; readonly foreign: Serve } {
  const serve = (request: InferRequest, held: HeldEngine | undefined): InferStream => ({
    [Symbol.asyncIterator]: () => new Served(init, request, held),
  })
  return {
    own: (request) => serve(request, init.engines.get(request.digest)),
    foreign: (request) => serve(request, undefined),
  }
}

/** Not a generator: `return` of one would wait for the frame that is due, and the engine would go on until then. */
class Served implements AsyncIterator<Batch> {
  readonly #init: ServeInit
  readonly #request: InferRequest
  readonly #startMs = performance.now()
  readonly #acquired: Promise<AcquireRefusal | undefined> | undefined
  #held: HeldEngine | undefined
  #frames: AsyncIterator<Batch> | undefined
  #loadNs = 0
  #left = false
  #watchdog: NodeJS.Timeout | undefined
  /** Since when somebody waits for the next frame; 0: nobody does. */
  #waitingSinceMs = 0
  #stalled = false

  constructor(init: ServeInit, request: InferRequest, held: HeldEngine | undefined) {
    this.#init = init
    this.#request = request
    if (held === undefined) this.#acquired = init.acquire(request)
    else this.#begin(held)
  }

  async next(): Promise<IteratorResult<Batch>> {
    if (this.#left) return { done: true, value: undefined }
    if (this.#frames === undefined) {
      const waiting = await this.#wait()
      if (waiting !== undefined) return { done: false, value: [waiting] }
      if (this.#left) return { done: true, value: undefined }
    }
    this.#waitingSinceMs = performance.now()
    const result = await (this.#frames as AsyncIterator<Batch>).next()
    this.#waitingSinceMs = 0
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
    let timer: NodeJS.Timeout | undefined
    const pause = new Promise<'waiting'>((resolve) => {
      timer = setTimeout(resolve, progressMs, 'waiting')
    })
    const outcome = await Promise.race([this.#acquired, pause])
    clearTimeout(timer)
    if (this.#left) return undefined
    if (outcome === 'waiting') return { kind: 'progress', phase: 'loading', done: 0, total: 0 }
    const held = this.#init.engines.get(this.#request.digest)
    if (outcome !== undefined || held === undefined) {
      this.#left = true
      return refusedFrame(outcome)
    }
    this.#begin(held)
    return undefined
  }

  #begin(held: HeldEngine): void {
    const { keepAliveMs } = this.#request
    this.#held = held
    this.#loadNs = (performance.now() - this.#startMs) * 1e6
    this.#init.tell(held.ref, {
      type: 'request.started',
      load: held.load,
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    })
    this.#frames = held.engine.infer(this.#request)[Symbol.asyncIterator]()
    const { stallMs = engineStallMs } = this.#init
    this.#watchdog = setInterval(() => this.#checkStall(held, stallMs), Math.min(stallCheckMs, stallMs))
  }

  /** A hung engine is its supervisor's: the actor that owns it crashes with it, and whoever waits here hears at once. */
  #checkStall({ ref, load }: HeldEngine, stallMs: number): void {
    const { tell } = this.#init
    if (this.#waitingSinceMs === 0 || performance.now() - this.#waitingSinceMs < stallMs) return
    this.#stalled = true
    tell(ref, { type: 'engine.stalled', load, silentMs: Math.round(performance.now() - this.#waitingSinceMs) })
    void this.#frames?.return?.()
  }

  /** Once, whoever ends it first. */
  #leave(): void {
    this.#left = true
    clearInterval(this.#watchdog)
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
const noLoad = { active: 0, waiting: 0, slots: 0 }

/** An engine that was ready and is gone again is busy with restarting: the next holder may be quicker. */
function refusedFrame(refusal: AcquireRefusal | undefined): InferFrame {
  const { code, message } = refusal ?? { code: 'busy' as const, message: 'the engine is restarting' }
  if (refusals.has(code)) return { kind: 'refused', reason: code as RefusalReason, message, load: noLoad }
  return { kind: 'failed', code: code as 'model-unusable' | 'load-failed', message }
}
