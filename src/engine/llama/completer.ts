/** One loaded model, seen from the node: admission, streams and their back-pressure over the child's messages. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { InferFrame, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { Channel } from '../../runtime/channel.ts'
import { Admission, type Ticket } from '../admission.ts'
import { realClock } from '../clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from '../completer.ts'
import type { EngineSettings } from '../driver.ts'
import { refusedStream } from '../frames.ts'
import type { EngineProcess } from './child-process.ts'
import type { ChildMessage, ChildWork, ParentMessage } from './messages.ts'

/** Frames that wait for a slow consumer before its stream sits out, in frames; one is about one token. */
const highWaterFrames = 64

type Question = Extract<ParentMessage, { kind: 'tokenize' | 'detokenize' }>
type Reply = Extract<ChildMessage, { kind: 'tokenized' | 'detokenized' }>

interface Call {
  readonly channel: Channel<InferFrame>
  ticket: Ticket | undefined
  /** Whether the child knows of it. */
  started: boolean
}

export interface LlamaCompleterInit {
  readonly process: EngineProcess
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly vocabulary: Vocabulary
}

export class LlamaCompleter implements Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly vocabulary: Vocabulary
  readonly pid?: number
  readonly ended: Promise<Failure | undefined>
  readonly #init: LlamaCompleterInit
  readonly #admission: Admission
  readonly #calls = new Map<number, Call>()
  /** Bounded by the requests that are being prepared: one question each. */
  readonly #questions = new Map<number, Pick<PromiseWithResolvers<Reply>, 'resolve' | 'reject'>>()
  #nextId = 1
  #over = false
  #resolveEnded: (failure: Failure | undefined) => void = () => {}

  constructor(init: LlamaCompleterInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
    this.vocabulary = init.vocabulary
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

  /** Images are refused before they come here: llama.cpp's bindings for Node know only text. */
  complete({ model, images: _images, again, ...work }: CompletionRequest): InferStream {
    return this.#enter(model, { kind: 'text', ...work }, again)
  }

  embed({ model, ...work }: EmbeddingRequest): InferStream {
    return this.#enter(model, { kind: 'embed', ...work })
  }

  #enter(model: string, work: ChildWork, again = false): InferStream {
    if (this.#over) return refusedStream('draining', `${model} is being unloaded`, this.load())
    const id = this.#nextId++
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
      () => this.#start(id, call, work),
      (before, waiting) => call.channel.push({ kind: 'progress', phase: 'queued', done: before, total: waiting }),
      again,
    )
    if (call.ticket === undefined) {
      return refusedStream('busy', `every slot for ${model} is taken and its queue is full`, this.load())
    }
    this.#calls.set(id, call)
    call.channel.push({ kind: 'accepted', load: this.load() })
    if (!call.ticket.waiting) this.#start(id, call, work)
    return call.channel
  }

  async tokenize(text: string): Promise<readonly number[]> {
    const answer = await this.#ask({ kind: 'tokenize', call: this.#nextId++, text })
    return answer.kind === 'tokenized' ? answer.tokens : []
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    const answer = await this.#ask({ kind: 'detokenize', call: this.#nextId++, tokens })
    return answer.kind === 'detokenized' ? answer.text : ''
  }

  #ask(question: Question): Promise<Reply> {
    if (this.#over) return Promise.reject(new Error(`the engine of ${this.#init.model.name} has ended`))
    return new Promise((resolve, reject) => {
      this.#questions.set(question.call, { resolve, reject })
      this.#init.process.send(question)
    })
  }

  async close(): Promise<void> {
    this.#finish({ kind: 'failed', code: 'cancelled', message: `${this.#init.model.name} was unloaded` })
    await this.#init.process.stop()
  }

  /** What the child said. */
  hear(message: ChildMessage): void {
    if (message.kind === 'tokenized' || message.kind === 'detokenized') {
      this.#questions.get(message.call)?.resolve(message)
      this.#questions.delete(message.call)
    }
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

  #start(id: number, call: Call, work: ChildWork): void {
    call.started = true
    this.#init.process.send({ kind: 'start', stream: id, work })
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
    for (const { reject } of this.#questions.values())
      reject(new Error(`the engine of ${this.#init.model.name} has ended`))
    this.#questions.clear()
  }
}
