/** One loaded model, seen from the node: admission, streams and their back-pressure over the child's messages. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { InferFrame, InferRequest, InferStream, SamplingOptions, WorkerLoad } from '../../../protocols/infer.ts'
import { Channel } from '../../runtime/channel.ts'
import { Admission, type Ticket } from '../admission.ts'
import { realClock } from '../clock.ts'
import { messagesOf } from '../conversation.ts'
import type { EngineSettings, LoadedEngine } from '../driver.ts'
import { loadedOnly, refusedStream } from '../frames.ts'
import { resolveOptions } from '../options.ts'
import type { EngineProcess } from './child-process.ts'
import type { ChildMessage, ChildWork } from './messages.ts'

/** Frames that wait for a slow consumer before its stream sits out, in frames; one is about one token. */
const highWaterFrames = 64

interface Call {
  readonly channel: Channel<InferFrame>
  ticket: Ticket | undefined
  /** Whether the child knows of it. */
  started: boolean
}

export interface LlamaEngineInit {
  readonly process: EngineProcess
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
}

export class LlamaEngine implements LoadedEngine {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly pid?: number
  readonly ended: Promise<Failure | undefined>
  readonly #init: LlamaEngineInit
  readonly #admission: Admission
  readonly #calls = new Map<number, Call>()
  #nextStream = 1
  #over = false
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: LlamaEngineInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
    if (init.process.pid !== undefined) this.pid = init.process.pid
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
    if (this.#over) return refusedStream('draining', `${request.model} is being unloaded`, this.load())
    if (request.work.kind === 'load') return loadedOnly(this.load())
    const id = this.#nextStream++
    const call: Call = {
      channel: new Channel<InferFrame>({
        highWater: highWaterFrames,
        onDrain: () => this.#tell(id, 'continue'),
        onCancel: () => this.#cancel(id),
      }),
      ticket: undefined,
      started: false,
    }
    call.ticket = this.#admission.enter(
      () => this.#start(id, call, request),
      (before, waiting) => call.channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
    )
    if (call.ticket === undefined) {
      return refusedStream('busy', `every slot for ${request.model} is taken and its queue is full`, this.load())
    }
    this.#calls.set(id, call)
    call.channel.push({ kind: 'accepted', load: this.load() })
    if (!call.ticket.waiting) this.#start(id, call, request)
    return call.channel
  }

  async close(): Promise<void> {
    this.#finish({ kind: 'failed', code: 'cancelled', message: `${this.#init.model.name} was unloaded` })
    await this.#init.process.stop()
  }

  /** What the child said. */
  hear(message: ChildMessage): void {
    if (message.kind !== 'tick') return
    for (const { stream, frames } of message.streams) {
      for (const frame of frames) this.#deliver(stream, frame)
    }
    for (const stream of message.released) this.#release(stream)
  }

  /** The child has ended. */
  end(failure: Failure | undefined): void {
    this.#finish({
      kind: 'failed',
      code: 'engine-crashed',
      message: failure?.message ?? `the engine of ${this.#init.model.name} was stopped`,
    })
    this.#resolveEnded(failure)
  }

  #start(id: number, call: Call, request: InferRequest): void {
    let sampling: SamplingOptions
    try {
      sampling = resolveOptions(this.#init.model.parameters, request.options)
    } catch (error) {
      call.channel.push({ kind: 'failed', code: 'invalid-request', message: (error as Error).message })
      call.channel.end()
      this.#release(id)
      return
    }
    call.started = true
    this.#init.process.send({
      kind: 'start',
      stream: id,
      work: childWork(request, this.#init.model.system),
      sampling,
      resume: request.resume?.tokens ?? [],
    })
  }

  #deliver(id: number, frame: InferFrame): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    const more = call.channel.push(frame)
    if (frame.kind === 'done' || frame.kind === 'failed') call.channel.end()
    else if (!more && !call.channel.closed) this.#tell(id, 'pause')
  }

  #tell(id: number, kind: 'pause' | 'continue' | 'cancel'): void {
    if (this.#calls.get(id)?.started === true) this.#init.process.send({ kind, stream: id })
  }

  /** The consumer left. A started stream keeps its slot until the child says that the sequence is free. */
  #cancel(id: number): void {
    if (this.#calls.get(id)?.started === true) this.#tell(id, 'cancel')
    else this.#release(id)
  }

  #release(id: number): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    call?.ticket?.leave()
  }

  /** Ends every stream with `last` and takes no more. */
  #finish(last: InferFrame): void {
    if (this.#over) return
    this.#over = true
    this.#admission.clear()
    for (const call of this.#calls.values()) {
      call.channel.push(last)
      call.channel.end()
    }
    this.#calls.clear()
  }
}

function childWork(request: InferRequest, system: string | undefined): ChildWork {
  const { work } = request
  switch (work.kind) {
    case 'generate':
      if (work.raw) return { kind: 'raw', prompt: work.prompt }
      return { kind: 'conversation', messages: messagesOf(work, system), context: work.context ?? [] }
    case 'chat':
      return { kind: 'conversation', messages: messagesOf(work, system), context: [] }
    case 'embed':
      return {
        kind: 'embed',
        input: work.input,
        truncate: work.truncate,
        dimensions: work.dimensions ?? 0,
        normalize: work.normalize,
      }
    case 'load':
      throw new Error('a load is answered without the child')
  }
}
