/** Frames on their way to one peer: in order, coalesced, bounded, on one stream that lives as long as it can. */
import type { Stream } from '@libp2p/interface'
import { frame } from '../../protocols/framing.ts'
import { drained } from './drained.ts'
import { maxOutboxBytes, maxWriteBytes } from './limits.ts'

export interface OutboxInit {
  /** Opens a stream to the peer; rejects when there is no connection. */
  readonly open: () => Promise<Stream>
  /** Bodies of which nobody knows that they left this node. */
  readonly onLost: (bodies: readonly Uint8Array[]) => void
  /** The stream is gone: what it had taken may not have arrived. The next body goes to a new one. */
  readonly onBroken: () => void
}

export class Outbox {
  readonly #init: OutboxInit
  #stream: Stream | undefined
  #bodies: Uint8Array[] = []
  /** What is at the stream already but has not been taken by it. */
  #writing: readonly Uint8Array[] = []
  #bytes = 0
  #flushing = false
  #closed = false

  constructor(init: OutboxInit) {
    this.#init = init
  }

  /** False: the peer is so slow that the outbox is full, or the outbox is closed. */
  push(body: Uint8Array): boolean {
    if (this.#closed || this.#bytes + body.length > maxOutboxBytes) return false
    this.#bodies.push(body)
    this.#bytes += body.length
    if (!this.#flushing) {
      this.#flushing = true
      // What one turn sends is one write.
      queueMicrotask(() => void this.#flush())
    }
    return true
  }

  /** The last connection to the peer is gone: what waits is lost, and nothing more is taken. */
  close(): void {
    this.#closed = true
    this.#lose()
    this.#stream?.abort(new Error('the connection is gone'))
  }

  async #flush(): Promise<void> {
    try {
      if (!isWritable(this.#stream)) this.#stream = await this.#open()
      const stream = this.#stream as Stream
      if (this.#closed) stream.abort(new Error('the connection is gone'))
      while (this.#bodies.length > 0) {
        this.#writing = this.#take()
        if (!stream.send(frame(this.#writing))) await drained(stream)
        for (const body of this.#writing) this.#bytes -= body.length
        this.#writing = []
      }
    } catch {
      this.#stream = undefined
      this.#lose()
    } finally {
      this.#flushing = false
    }
  }

  async #open(): Promise<Stream> {
    const stream = await this.#init.open()
    stream.addEventListener('close', () => {
      if (!this.#closed) this.#init.onBroken()
    })
    return stream
  }

  /** The oldest bodies, up to one write's worth and at least one. */
  #take(): Uint8Array[] {
    let count = 0
    let bytes = 0
    for (const body of this.#bodies) {
      if (count > 0 && bytes + body.length > maxWriteBytes) break
      bytes += body.length
      count += 1
    }
    if (count < this.#bodies.length) return this.#bodies.splice(0, count)
    const all = this.#bodies
    this.#bodies = []
    return all
  }

  #lose(): void {
    const lost = [...this.#writing, ...this.#bodies]
    this.#writing = []
    this.#bodies = []
    this.#bytes = 0
    if (lost.length > 0) this.#init.onLost(lost)
  }
}

function isWritable(stream: Stream | undefined): boolean {
  return stream !== undefined && stream.status === 'open' && stream.writeStatus === 'writable'
}
