/** Answers that need no computing, the same for every driver. */
import type { InferFrame, InferStream, RefusalReason, WorkerLoad } from '../../protocols/infer.ts'

async function* once(frames: readonly InferFrame[]): AsyncGenerator<readonly InferFrame[]> {
  yield frames
}

/** A stream of one frame: the request was not taken. */
export function refusedStream(reason: RefusalReason, message: string, load: WorkerLoad): InferStream {
  return once([{ kind: 'refused', reason, message, load }])
}

/** The answer to `load` work: the model is in memory. */
export function loadedOnly(load: WorkerLoad): InferStream {
  return once([
    { kind: 'accepted', load },
    {
      kind: 'done',
      reason: 'load',
      promptTokens: 0,
      cachedTokens: 0,
      promptNs: 0,
      evalTokens: 0,
      evalNs: 0,
      loadNs: 0,
    },
  ])
}
