/** One `/omx/infer/1` stream at the worker: reads a request, writes its answer no faster than it is read, waits for the next. */
import type { Stream } from '@libp2p/interface'
import { FrameReader, frame } from '../../protocols/framing.ts'
import { type InferFrame, type InferRequest, type InferStream, unknownLoad } from '../../protocols/infer.ts'
import { encodeInferFrame } from '../../protocols/infer-frame.ts'
import { decodeInferRequest, maxInferRequestBytes } from '../../protocols/infer-request.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { Clock } from '../runtime/world.ts'
import { drained } from './drained.ts'
import { idleServerStreamMs, keepaliveMs, maxReadBufferBytes } from './limits.ts'

/** Bytes of requests that have begun to arrive. */
export interface RequestBudget {
  usedBytes: number
  readonly maxBytes: number
}

export interface InferConversationInit {
  readonly stream: Stream
  readonly budget: RequestBudget
  readonly clock: Clock
  readonly serve: (request: InferRequest) => InferStream
  readonly onViolation: (error: ProtocolError) => void
}

type Progress = Extract<InferFrame, { kind: 'progress' }>

export class InferConversation {
  readonly #init: InferConversationInit
  readonly #stream: Stream
  #reader = new FrameReader(maxInferRequestBytes)
  #answer: AsyncIterator<readonly InferFrame[]> | undefined
  #reservedBytes = 0
  #isRefused = false
  #idle: unknown
  #sentMs = 0

  constructor(init: InferConversationInit) {
    this.#init = init
    this.#stream = init.stream
    this.#stream.maxReadBufferLength = maxReadBufferBytes
    this.#stream.addEventListener('message', (event) => this.#read(event.data.subarray()))
    this.#stream.addEventListener('remoteCloseWrite', () => this.#remoteClosed())
    this.#stream.addEventListener('close', () => this.#closed())
    this.#wait()
  }

  #read(chunk: Uint8Array): void {
    if (this.#isRefused) return
    try {
      const bodies = this.#reader.push(chunk)
      if (!this.#reserve(this.#reader.pendingBytes)) {
        this.#refuse()
        return
      }
      for (const body of bodies) {
        if (this.#answer !== undefined) throw new ProtocolError('shape', 'a request before the last one was answered')
        this.#begin(decodeInferRequest(body))
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#stream.abort(error)
      this.#init.onViolation(error)
    }
  }

  /** False: this node has no room for what arrives. */
  #reserve(bytes: number): boolean {
    const { budget } = this.#init
    budget.usedBytes += bytes - this.#reservedBytes
    this.#reservedBytes = bytes
    return budget.usedBytes <= budget.maxBytes
  }

  /** The rest of the request is read and thrown away, until the other side has heard and closes the stream. */
  #refuse(): void {
    this.#isRefused = true
    this.#reserve(0)
    this.#reader = new FrameReader(maxInferRequestBytes)
    const message = `requests of ${this.#init.budget.maxBytes} bytes are under way to this node`
    this.#send([{ kind: 'refused', reason: 'busy', message, load: unknownLoad }])
      .then(() => this.#stream.close())
      .catch((error: Error) => this.#stream.abort(error))
  }

  #begin(request: InferRequest): void {
    this.#init.clock.clearTimeout(this.#idle)
    this.#answer = this.#init.serve(request)[Symbol.asyncIterator]()
    void this.#write(this.#answer)
  }

  async #write(answer: AsyncIterator<readonly InferFrame[]>): Promise<void> {
    const keepalive = new Keepalive(this.#init.clock, (progress) => this.#repeat(progress))
    let finished = false
    try {
      while (!finished) {
        const { done, value: batch } = await answer.next()
        if (!this.#isOpen) return
        if (done === true) throw new Error('the answer stopped without an end')
        finished = batch.some(isLast)
        // Who has the last frame may ask again before this side has seen its own write through.
        if (finished) this.#answer = undefined
        keepalive.heard(batch)
        await this.#send(batch)
      }
    } catch (error) {
      if (this.#isOpen)
        await this.#send([{ kind: 'failed', code: 'internal', message: messageOf(error) }]).catch(() => {})
    } finally {
      keepalive.stop()
      leave(answer)
      if (this.#answer === answer) this.#answer = undefined
      if (this.#isOpen && this.#answer === undefined) this.#wait()
    }
  }

  /** One write for the batch; resolves when the network can take the next. Rejects when the stream is gone. */
  async #send(batch: readonly InferFrame[]): Promise<void> {
    if (batch.length === 0) return
    this.#sentMs = this.#init.clock.monotonicMs()
    if (!this.#stream.send(frame(batch.map(encodeInferFrame)))) await drained(this.#stream)
  }

  /** An engine that says nothing is not a worker that is gone; a stream that is full proves that by itself. */
  #repeat(progress: Progress): void {
    if (!this.#isOpen || this.#stream.writableNeedsDrain || this.#init.clock.monotonicMs() - this.#sentMs < keepaliveMs)
      return
    this.#stream.send(frame([encodeInferFrame(progress)]))
    this.#sentMs = this.#init.clock.monotonicMs()
  }

  get #isOpen(): boolean {
    return this.#stream.status === 'open' && this.#stream.writeStatus === 'writable'
  }

  /** Nothing more will be asked; an answer under way is still wanted. */
  #remoteClosed(): void {
    if (this.#answer === undefined) this.#stream.close().catch(() => {})
  }

  #wait(): void {
    this.#init.clock.clearTimeout(this.#idle)
    if (this.#stream.remoteWriteStatus === 'closed') {
      this.#stream.close().catch(() => {})
      return
    }
    this.#idle = this.#init.clock.setTimeout(() => this.#stream.close().catch(() => {}), idleServerStreamMs)
  }

  /** The entry node has left: so does this loop, and with it the engine. */
  #closed(): void {
    this.#init.clock.clearTimeout(this.#idle)
    this.#init.budget.usedBytes -= this.#reservedBytes
    this.#reservedBytes = 0
    const answer = this.#answer
    this.#answer = undefined
    if (answer !== undefined) leave(answer)
  }
}

/** Remembers the last progress and has it repeated while nothing else is said. */
class Keepalive {
  #last: Progress = { kind: 'progress', phase: 'queued', done: 0, total: 0 }
  readonly #clock: Clock
  readonly #repeat: (progress: Progress) => void
  #timer: unknown

  constructor(clock: Clock, repeat: (progress: Progress) => void) {
    this.#clock = clock
    this.#repeat = repeat
    this.#wait()
  }

  #wait(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#wait()
      this.#repeat(this.#last)
    }, keepaliveMs / 2)
  }

  heard(batch: readonly InferFrame[]): void {
    for (const item of batch) if (item.kind === 'progress') this.#last = item
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer)
  }
}

function isLast(item: InferFrame): boolean {
  return item.kind === 'done' || item.kind === 'failed' || item.kind === 'refused'
}

/** Tells the producer that nobody takes its frames any more; what it thinks of that is its own business. */
function leave(answer: AsyncIterator<readonly InferFrame[]>): void {
  answer.return?.().then(undefined, () => {})
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
