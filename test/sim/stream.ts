/**
 * A stream on a simulated connection, with as much of libp2p's `Stream` as `src/net` uses: bytes in order, a window that
 * the reader opens, half-closing, resetting. The window is small, so that back-pressure is the rule and not the exception.
 */
import type { Stream } from '@libp2p/interface'

/** How far a sender may be ahead of its reader. */
const windowBytes = 4096

interface Listeners {
  message: (event: { data: { subarray(): Uint8Array } }) => void
  remoteCloseWrite: () => void
  close: (event: { error?: Error }) => void
  drain: () => void
}

/** The end of a connection, as its streams need it. */
export interface StreamEnd {
  readonly streams: Map<number, SimulatedStream>
  send(arrive: (end: StreamEnd) => void): void
}

export class SimulatedStream {
  readonly protocol: string
  readonly end: StreamEnd
  status: 'open' | 'closed' | 'aborted' | 'reset' = 'open'
  writeStatus: 'writable' | 'closed' = 'writable'
  readStatus: 'readable' | 'paused' | 'closed' = 'readable'
  remoteWriteStatus: 'writable' | 'closed' = 'writable'
  writableNeedsDrain = false
  writeBufferLength = 0
  maxReadBufferLength = Number.POSITIVE_INFINITY
  readonly #id: number
  readonly #listeners = new Map<string, Array<(event: never) => void>>()
  /** Resolves when the other side has agreed to the protocol. */
  readonly #ready = Promise.withResolvers<void>()
  #writes: Uint8Array[] = []
  #reads: Uint8Array[] = []
  #credit = windowBytes
  #consumed = 0
  /** All that was written is on its way, and the end of it is still to be said. */
  #closing = false

  constructor(end: StreamEnd, id: number, protocol: string) {
    this.end = end
    this.#id = id
    this.protocol = protocol
    this.#ready.promise.catch(() => {})
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get asStream(): Stream {
    return this as unknown as Stream
  }

  negotiated(): void {
    this.#ready.resolve()
  }

  addEventListener<K extends keyof Listeners>(type: K, listener: Listeners[K]): void {
    const known = this.#listeners.get(type)
    if (known === undefined) this.#listeners.set(type, [listener])
    else known.push(listener)
  }

  removeEventListener<K extends keyof Listeners>(type: K, listener: Listeners[K]): void {
    const known = this.#listeners.get(type)
    const at = known?.indexOf(listener) ?? -1
    if (at >= 0) known?.splice(at, 1)
  }

  #emit<K extends keyof Listeners>(type: K, event: Parameters<Listeners[K]>[0]): void {
    const listeners = this.#listeners.get(type)
    if (listeners === undefined) return
    for (const listener of listeners.length === 1 ? listeners : [...listeners]) listener(event as never)
  }

  /** False: no more until `drain`. */
  send(data: Uint8Array): boolean {
    if (this.status !== 'open' || this.writeStatus !== 'writable' || this.#closing) {
      throw new Error(`cannot write to a stream that is ${this.status}`)
    }
    this.#writes.push(data)
    this.writeBufferLength += data.length
    this.#flush()
    this.writableNeedsDrain = this.#writes.length > 0
    return !this.writableNeedsDrain
  }

  #flush(): void {
    while (this.#credit > 0) {
      const first = this.#writes[0]
      if (first === undefined) break
      const piece = first.length <= this.#credit ? first : first.subarray(0, this.#credit)
      if (piece === first) this.#writes.shift()
      else this.#writes[0] = first.subarray(piece.length)
      this.#credit -= piece.length
      this.writeBufferLength -= piece.length
      this.#tell((stream) => stream.#received(piece))
    }
    if (this.#writes.length > 0) return
    if (this.#closing) this.#finishWriting()
    if (!this.writableNeedsDrain) return
    this.writableNeedsDrain = false
    this.#emit('drain', undefined as never)
  }

  #tell(arrive: (stream: SimulatedStream) => void): void {
    this.end.send((end) => {
      const stream = end.streams.get(this.#id)
      if (stream !== undefined) arrive(stream)
    })
  }

  #received(piece: Uint8Array): void {
    if (this.status !== 'open') return
    if (this.readStatus === 'paused' || this.#reads.length > 0) this.#reads.push(piece)
    else this.#read(piece)
  }

  #read(piece: Uint8Array): void {
    this.#consumed += piece.length
    if (this.#consumed >= windowBytes / 2) {
      const bytes = this.#consumed
      this.#consumed = 0
      this.#tell((stream) => stream.#opened(bytes))
    }
    this.#emit('message', { data: { subarray: () => piece } })
  }

  #opened(bytes: number): void {
    this.#credit += bytes
    this.#flush()
  }

  pause(): void {
    this.readStatus = 'paused'
  }

  resume(): void {
    this.readStatus = 'readable'
    while (this.#reads.length > 0 && (this.readStatus as string) === 'readable')
      this.#read(this.#reads.shift() as Uint8Array)
  }

  /** Nothing more will be written. */
  async close(): Promise<void> {
    if (this.status !== 'open' || this.writeStatus === 'closed') return
    this.#closing = true
    if (this.#writes.length === 0) this.#finishWriting()
  }

  #finishWriting(): void {
    this.#closing = false
    this.writeStatus = 'closed'
    this.#tell((stream) => stream.#remoteClosed())
    if (this.remoteWriteStatus === 'closed') this.#over('closed')
  }

  #remoteClosed(): void {
    if (this.status !== 'open') return
    this.remoteWriteStatus = 'closed'
    this.#emit('remoteCloseWrite', undefined as never)
    if (this.writeStatus === 'closed') this.#over('closed')
  }

  /** Tells the other side that nothing counts any more. */
  abort(error: Error): void {
    if (this.status !== 'open') return
    this.#tell((stream) => stream.#over('reset', new Error('the stream was reset')))
    this.#reads = []
    this.#over('aborted', error)
  }

  broken(reason: string): void {
    this.#over('reset', new Error(reason))
  }

  /** What arrived before the end may still be read. */
  #over(status: 'closed' | 'aborted' | 'reset', error?: Error): void {
    if (this.status !== 'open') return
    this.status = status
    this.writeStatus = 'closed'
    this.remoteWriteStatus = 'closed'
    this.#writes = []
    this.writableNeedsDrain = false
    this.end.streams.delete(this.#id)
    this.#ready.reject(error ?? new Error('the stream is closed'))
    this.#emit('close', error === undefined ? {} : { error })
  }
}
