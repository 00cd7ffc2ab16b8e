/** One loaded model, seen from the node: admission, streams and their back-pressure over the child's messages. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import type { Failure } from '../../../protocols/exit.ts'
import type { InferFrame, InferStream, WorkerLoad } from '../../../protocols/infer.ts'
import { type Call, Calls, type Work } from '../calls.ts'
import { realClock } from '../clock.ts'
import type { Completer, CompletionRequest, EmbeddingRequest, Vocabulary } from '../completer.ts'
import type { EngineSettings } from '../driver.ts'
import type { EngineProcess } from './child-process.ts'
import type { ChildMessage, ChildWork, ParentMessage } from './messages.ts'

type Question = Extract<ParentMessage, { kind: 'tokenize' | 'detokenize' }>
type Reply = Extract<ChildMessage, { kind: 'tokenized' | 'detokenized' }>

interface Stream extends Work {
  readonly call: Call
}

export interface LlamaCompleterInit {
  readonly process: EngineProcess
  readonly model: ModelFile
  readonly settings: EngineSettings
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly vocabulary: Vocabulary
  readonly vocabularyTokens: number
}

export class LlamaCompleter implements Completer {
  readonly contextLength: number
  readonly sizeBytes: number
  readonly sizeVramBytes: number
  readonly vocabulary: Vocabulary
  readonly vocabularyTokens: number
  readonly pid?: number
  readonly #ending = Promise.withResolvers<Failure | undefined>()
  readonly ended = this.#ending.promise
  readonly #init: LlamaCompleterInit
  readonly #calls: Calls<Stream>
  /** By the number that the child knows it by, until the child has let go of it. */
  readonly #streams = new Map<number, Stream>()
  /** Bounded by the requests that are being prepared: one question each. */
  readonly #questions = new Map<number, Pick<PromiseWithResolvers<Reply>, 'resolve' | 'reject'>>()
  #nextId = 1

  constructor(init: LlamaCompleterInit) {
    this.#init = init
    this.contextLength = init.contextLength
    this.sizeBytes = init.sizeBytes
    this.sizeVramBytes = init.sizeVramBytes
    this.vocabulary = init.vocabulary
    this.vocabularyTokens = init.vocabularyTokens
    if (init.process.pid !== undefined) this.pid = init.process.pid
    const { slots, maxWaiting } = init.settings
    this.#calls = new Calls({ slots, maxWaiting, clock: realClock })
  }

  load(): WorkerLoad {
    return this.#calls.load()
  }

  /** Images are refused before they come here: llama.cpp's bindings for Node know only text. */
  complete({ model, images: _images, again, ...work }: CompletionRequest): InferStream {
    return this.#enter(model, { kind: 'text', ...work }, again)
  }

  embed({ model, ...work }: EmbeddingRequest): InferStream {
    return this.#enter(model, { kind: 'embed', ...work })
  }

  #enter(model: string, work: ChildWork, again = false): InferStream {
    const id = this.#nextId++
    return this.#calls.enter(model, (call) => this.#streamOf(id, call, work), again)
  }

  #streamOf(id: number, call: Call, work: ChildWork): Stream {
    const stream: Stream = {
      call,
      begin: () => {
        this.#streams.set(id, stream)
        this.#init.process.send({ kind: 'start', stream: id, work })
      },
      drained: () => this.#tell(id, 'continue'),
      // A started stream keeps its slot until the child says that the sequence is free.
      cancelled: () => (this.#streams.has(id) ? this.#tell(id, 'cancel') : call.leave()),
      ended: () => this.#streams.delete(id),
    }
    return stream
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
    if (this.#calls.over) return Promise.reject(new Error(`the engine of ${this.#init.model.name} has ended`))
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
    this.#ending.resolve(failure)
  }

  #deliver(id: number, frame: InferFrame): void {
    const channel = this.#streams.get(id)?.call.channel
    if (channel === undefined) return
    const more = channel.push(frame)
    if (frame.kind === 'done' || frame.kind === 'failed') channel.end()
    else if (!more && !channel.closed) this.#tell(id, 'pause')
  }

  #tell(id: number, kind: 'pause' | 'continue' | 'cancel'): void {
    if (this.#streams.has(id)) this.#init.process.send({ kind, stream: id })
  }

  #release(id: number): void {
    const stream = this.#streams.get(id)
    this.#streams.delete(id)
    stream?.call.leave()
  }

  /** Ends every stream with `last` and takes no more. */
  #finish(last: InferFrame): void {
    if (!this.#calls.end(last)) return
    for (const { reject } of this.#questions.values())
      reject(new Error(`the engine of ${this.#init.model.name} has ended`))
    this.#questions.clear()
  }
}
