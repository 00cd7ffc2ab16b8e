/**
 * Serves one request on this node, for this node's own clients and for other nodes' alike: straight from the engine
 * where the model is loaded, else after the worker has brought it into memory.
 */
import type { AcquireRefusal } from '../../actors/worker.ts'
import type { InferFrame, InferRequest, InferStream, RefusalReason } from '../../protocols/infer.ts'
import type { Message, Ref } from '../../protocols/ref.ts'
import type { Engines, HeldEngine } from './engines.ts'

/** How often a request that waits for its model says so: well inside the entry node's watchdog. */
const progressMs = 1000

export interface ServeInit {
  readonly engines: Engines
  /** Asks the worker for a model that is not ready; resolves with why it cannot be, if so. */
  readonly acquire: (request: InferRequest) => Promise<AcquireRefusal | undefined>
  readonly tell: (to: Ref, message: Message) => void
}

const refusals: ReadonlySet<string> = new Set(['busy', 'draining', 'no-such-model', 'insufficient-memory'])
const noLoad = { active: 0, waiting: 0, slots: 0 }

/** Makes `serve`: never throws; a request ends with `refused`, `done` or `failed`, and leaving the loop cancels it. */
export function createServe(init: ServeInit): (request: InferRequest) => InferStream {
  return async function* serve(request) {
    const startMs = performance.now()
    let held = init.engines.get(request.digest)
    if (held === undefined) {
      const refusal = yield* waitFor(init.acquire(request))
      held = init.engines.get(request.digest)
      if (refusal !== undefined || held === undefined) {
        yield [refusedFrame(refusal)]
        return
      }
    }
    const { keepAliveMs } = request
    init.tell(held.ref, { type: 'request.started', ...(keepAliveMs === undefined ? {} : { keepAliveMs }) })
    try {
      yield* answer(held, request, (performance.now() - startMs) * 1e6)
    } finally {
      init.tell(held.ref, { type: 'request.ended' })
    }
  }
}

/** Says that the model is loading until the worker has answered. */
async function* waitFor(acquired: Promise<AcquireRefusal | undefined>) {
  for (;;) {
    let timer: NodeJS.Timeout | undefined
    const pause = new Promise<'waiting'>((resolve) => {
      timer = setTimeout(resolve, progressMs, 'waiting')
    })
    const outcome = await Promise.race([acquired, pause])
    clearTimeout(timer)
    if (outcome !== 'waiting') return outcome
    const progress: InferFrame = { kind: 'progress', phase: 'loading', done: 0, total: 0 }
    yield [progress]
  }
}

async function* answer({ engine }: HeldEngine, request: InferRequest, loadNs: number) {
  for await (const batch of engine.infer(request)) {
    const last = batch.at(-1)
    yield last?.kind === 'done' ? [...batch.slice(0, -1), { ...last, loadNs }] : batch
  }
}

/** An engine that was ready and is gone again is busy with restarting: the next holder may be quicker. */
function refusedFrame(refusal: AcquireRefusal | undefined): InferFrame {
  const { code, message } = refusal ?? { code: 'busy' as const, message: 'the engine is restarting' }
  if (refusals.has(code)) return { kind: 'refused', reason: code as RefusalReason, message, load: noLoad }
  return { kind: 'failed', code: code as 'model-unusable' | 'load-failed', message }
}
