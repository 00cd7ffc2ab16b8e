/** One `/omx/infer/1` stream at the entry node: requests one after the other, each with its own answer. */
import type { Stream } from '@libp2p/interface'
import { FrameReader, frame } from '../../protocols/framing.ts'
import { decodeInferFrame, maxInferFrameBytes } from '../../protocols/infer-frame.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { CallStream, InferCall } from './infer-call.ts'
import { maxReadBufferBytes } from './limits.ts'

export interface InferLineInit {
  readonly stream: Stream
  /** The answer is complete: the line may carry the next request. */
  readonly onIdle: (line: InferLine) => void
  readonly onClosed: (line: InferLine) => void
  readonly onViolation: (error: ProtocolError) => void
}

export class InferLine implements CallStream {
  readonly #init: InferLineInit
  readonly #stream: Stream
  readonly #reader = new FrameReader(maxInferFrameBytes)
  #call: InferCall | undefined

  constructor(init: InferLineInit) {
    this.#init = init
    this.#stream = init.stream
    this.#stream.maxReadBufferLength = maxReadBufferBytes
    this.#stream.addEventListener('message', (event) => this.#read(event.data.subarray()))
    this.#stream.addEventListener('remoteCloseWrite', () => this.close())
    this.#stream.addEventListener('close', (event) => this.#closed(event.error))
  }

  get usable(): boolean {
    const { status, writeStatus, remoteWriteStatus } = this.#stream
    return status === 'open' && writeStatus === 'writable' && remoteWriteStatus === 'writable'
  }

  get unsentBytes(): number {
    return this.#stream.writeBufferLength
  }

  /** Sends one encoded request; its frames go to `call` until the last. */
  start(call: InferCall, request: Uint8Array): void {
    this.#call = call
    call.attach(this)
    try {
      this.#stream.send(frame([request]))
    } catch (error) {
      call.fail('link-lost', `the stream to the worker broke: ${(error as Error).message}`)
    }
  }

  pause(): void {
    if (this.#stream.status === 'open') this.#stream.pause()
  }

  /** Also when the peer has gone: what it sent before may still be read. */
  resume(): void {
    const { readStatus } = this.#stream
    if (readStatus === 'paused') this.#stream.resume()
  }

  reset(reason: string): void {
    this.#stream.abort(new Error(reason))
  }

  close(): void {
    this.#stream.close().catch(() => this.reset('it could not be closed'))
  }

  #read(chunk: Uint8Array): void {
    this.#call?.heard()
    try {
      for (const body of this.#reader.push(chunk)) {
        const call = this.#call
        if (call === undefined) throw new ProtocolError('shape', 'a frame where no request is under way')
        if (call.deliver(decodeInferFrame(body))) this.#call = undefined
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      const call = this.#call
      this.#call = undefined
      this.reset(error.message)
      call?.fail('protocol', `the worker sent something that is not this protocol: ${error.message}`)
      this.#init.onViolation(error)
      return
    }
    if (this.#call !== undefined || !this.usable) return
    this.resume()
    if (this.usable) this.#init.onIdle(this)
  }

  #closed(error: Error | undefined): void {
    // A paused stream may still hold the end of the answer.
    if (this.#call !== undefined && this.#stream.readStatus === 'paused') this.#readRest()
    const call = this.#call
    this.#call = undefined
    const reason = error === undefined ? '' : `: ${error.message}`
    call?.fail('link-lost', `the stream between entry node and worker broke${reason}`)
    this.#init.onClosed(this)
  }

  #readRest(): void {
    try {
      this.#stream.resume()
    } catch {
      // The connection below is gone, and with it whatever was unread.
    }
  }
}
