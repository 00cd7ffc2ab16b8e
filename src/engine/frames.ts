/** Answers that need no computing, the same for every driver. */
import type { InferFrame, InferStream, RefusalReason, WorkerLoad } from '../../protocols/infer.ts'

type Batch = readonly InferFrame[]

async function* once(frames: readonly InferFrame[]): AsyncGenerator<readonly InferFrame[]> {
  yield frames
}

/** A stream of one frame: the request was not taken. */
export function refusedStream(reason: RefusalReason, message: string, load: WorkerLoad): InferStream {
  return once([{ kind: 'refused', reason, message, load }])
}

const nothingComputed: Extract<InferFrame, { kind: 'done' }> = {
  kind: 'done',
  reason: 'load',
  promptTokens: 0,
  cachedTokens: 0,
  promptNs: 0,
  evalTokens: 0,
  evalNs: 0,
  loadNs: 0,
}

/** The answer to `load` work: the model is in memory. */
export function loadedOnly(load: WorkerLoad): InferStream {
  return once([{ kind: 'accepted', load }, nothingComputed])
}

/** The answer to `renderOnly`: what the model would be given, and how many tokens that is. */
export function renderedOnly(
  { prompt, images }: { readonly prompt: string; readonly images: readonly unknown[] },
  promptTokens: number,
  load: WorkerLoad,
): InferStream {
  const rendered = { kind: 'rendered', prompt, images: images.length } as const
  return once([{ kind: 'accepted', load }, rendered, { ...nothingComputed, promptTokens }])
}

/** A request that was taken and cannot be computed. */
export function failedStream(failure: Extract<InferFrame, { kind: 'failed' }>, load: WorkerLoad): InferStream {
  return once([{ kind: 'accepted', load }, failure])
}

/** A stream that is not known yet. Who leaves before it is known, has left it when it is. */
export function deferredStream(coming: Promise<InferStream>): InferStream {
  return { [Symbol.asyncIterator]: () => new Deferred(coming) }
}

class Deferred implements AsyncIterator<Batch> {
  readonly #frames: Promise<AsyncIterator<Batch>>
  #left = false

  constructor(coming: Promise<InferStream>) {
    this.#frames = coming.then((stream) => stream[Symbol.asyncIterator]())
  }

  async next(): Promise<IteratorResult<Batch>> {
    const frames = await this.#frames
    return this.#left ? { done: true, value: undefined } : await frames.next()
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#left = true
    void this.#frames.then((frames) => frames.return?.())
    return Promise.resolve({ done: true, value: undefined })
  }
}
