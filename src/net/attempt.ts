/**
 * One attempt to have a request served by one node: opens the stream, carries its frames to the response at the pace at
 * which the client takes them, and tells the task's machine only what happened.
 */
import type { AttemptEvent, TaskFailure } from '../../actors/task.ts'
import type { InferFrame, InferRequest, InferStream, Resume, WorkerLoad } from '../../protocols/infer.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { fromCallback } from '../runtime/logic.ts'

/** Where frames go; a response of the listener. */
export interface AttemptSink {
  readonly nextIndex: number
  readonly resume: Resume | undefined
  acceptedBy(node: NodeId): void
  push(frame: InferFrame): boolean
  drained(): Promise<void>
}

export interface AttemptInit {
  /** Asks a node, this one included. */
  readonly open: (node: NodeId, request: InferRequest) => InferStream
  readonly sinkOf: (id: string) => AttemptSink | undefined
  /** What a worker said of itself with an accept or a refusal. */
  readonly onLoad: (node: NodeId, digest: string, load: WorkerLoad) => void
}

interface AttemptInput {
  readonly node: NodeId
  readonly request: InferRequest
}

type Tell = (event: AttemptEvent) => void

/** Its client has gone, or was never told that it was admitted. */
const nobodyWaits: TaskFailure = { code: 'cancelled', message: 'nobody waits for the answer any more' }

export function attemptLogic(init: AttemptInit) {
  return fromCallback<AttemptEvent, AttemptInput>(({ input, sendBack }) => {
    const sink = init.sinkOf(input.request.id)
    if (sink === undefined) {
      sendBack({ type: 'attempt.failed', failure: nobodyWaits } as never)
      return undefined
    }
    const resume = sink.resume
    const request = resume === undefined ? input.request : { ...input.request, resume }
    const frames = init.open(input.node, request)[Symbol.asyncIterator]()
    const attempt = new Attempt(init, input, sink, sendBack as Tell)
    attempt.run(frames).catch((error: Error) => {
      sendBack({ type: 'attempt.failed', failure: { code: 'internal', message: error.message } } as never)
    })
    return () => {
      attempt.left = true
      void frames.return?.()
    }
  })
}

class Attempt {
  /** The task has moved on: nothing more is carried or told. */
  left = false
  readonly #init: AttemptInit
  readonly #input: AttemptInput
  readonly #sink: AttemptSink
  readonly #tell: Tell
  #started = false

  constructor(init: AttemptInit, input: AttemptInput, sink: AttemptSink, tell: Tell) {
    this.#init = init
    this.#input = input
    this.#sink = sink
    this.#tell = tell
  }

  async run(frames: AsyncIterator<readonly InferFrame[]>): Promise<void> {
    while (!this.left) {
      const { done, value } = await frames.next()
      if (this.left) return
      if (done === true) return this.#fail('the stream ended without a result')
      let hasRoom = true
      for (const frame of value) {
        if (!this.left) hasRoom = this.#take(frame) && hasRoom
      }
      if (!hasRoom && !this.left) await this.#sink.drained()
    }
  }

  /** False: the client is slow. */
  #take(frame: InferFrame): boolean {
    const { node, request } = this.#input
    switch (frame.kind) {
      case 'token':
        if (frame.index !== this.#sink.nextIndex) {
          this.#fail(`token ${frame.index} came where ${this.#sink.nextIndex} was due`)
          return true
        }
        return this.#carry(frame)
      case 'embedding':
      case 'rendered':
        return this.#carry(frame)
      case 'accepted':
        this.#sink.acceptedBy(node)
        this.#init.onLoad(node, request.digest, frame.load)
        return true
      case 'refused': {
        const { reason, message, load } = frame
        this.#init.onLoad(node, request.digest, load)
        this.#end({ type: 'attempt.refused', node, reason, message, load })
        return true
      }
      case 'done':
        this.#end({ type: 'attempt.done', frame })
        return true
      case 'failed':
        this.#end({ type: 'attempt.failed', failure: { code: frame.code, message: frame.message } })
        return true
      case 'progress':
        return true
    }
  }

  #carry(frame: InferFrame): boolean {
    if (!this.#started) {
      this.#started = true
      this.#tell({ type: 'attempt.started' })
    }
    return this.#sink.push(frame)
  }

  #fail(message: string): void {
    this.#end({ type: 'attempt.failed', failure: { code: 'protocol', message: `${this.#input.node}: ${message}` } })
  }

  #end(event: AttemptEvent): void {
    this.left = true
    this.#tell(event)
  }
}
