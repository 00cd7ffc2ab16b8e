/** The reader's side of `/omx/file/1`: one stream for each run of bytes, paused while its consumer is busy. */
import type { Stream } from '@libp2p/interface'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import {
  decodeFileHead,
  encodeFileRequest,
  type FileHead,
  type FileRequest,
  fileHeadBytes,
  fileProtocol,
} from '../../protocols/file.ts'
import { frame } from '../../protocols/framing.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { Channel } from '../runtime/channel.ts'
import { backgroundClock } from './clock.ts'
import { fileSilenceMs, maxReadBufferBytes } from './limits.ts'

/** Opens a stream on a connection that exists; never dials. */
export type OpenStream = (node: NodeId, protocol: string, signal?: AbortSignal) => Promise<Stream>

type File = Pick<FileRequest, 'kind' | 'digest'>

/**
 * A file as a node has it; undefined: it says that it has none. Rejects, and so does reading it, when the node is not in
 * reach, breaks off, is silent for too long, or cannot read it itself.
 */
export async function openRemoteFile(
  open: OpenStream,
  node: NodeId,
  file: File,
  signal: AbortSignal,
): Promise<ReadableBlob | undefined> {
  const ask = (start: number, end: number) => FileTransfer.begin(open, node, { ...file, start, end }, signal)
  const { status, sizeBytes } = await (await ask(0, 0)).head
  if (status === 'absent') return undefined
  if (status !== 'found') throw new Error(`${node} cannot read ${file.digest} out: ${status}`)
  return {
    sizeBytes,
    read: async function* (start, end) {
      const transfer = await ask(start, end)
      const head = await transfer.head
      if (head.status !== 'found') throw new Error(`${node} cannot read ${file.digest} out any more: ${head.status}`)
      yield* transfer.bytes(end - start)
    },
  }
}

/** Chunks that wait before the stream is paused: the window of a stream bounds their bytes. */
const highWaterChunks = 16

class FileTransfer {
  readonly #stream: Stream
  readonly #channel: Channel<Uint8Array>
  readonly #head = Promise.withResolvers<FileHead>()
  readonly #headBytes = new Uint8Array(fileHeadBytes)
  #headFilled = 0
  #paused = false
  #heardMs = backgroundClock.monotonicMs()
  #watch: unknown
  #failure: Error | undefined

  static async begin(open: OpenStream, node: NodeId, request: FileRequest, signal: AbortSignal): Promise<FileTransfer> {
    signal.throwIfAborted()
    const transfer = new FileTransfer(await open(node, fileProtocol, signal))
    const leave = () => transfer.#fail(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    transfer.#stream.addEventListener('close', () => signal.removeEventListener('abort', leave))
    transfer.#stream.send(frame([encodeFileRequest(request)]))
    return transfer
  }

  private constructor(stream: Stream) {
    this.#stream = stream
    this.#head.promise.catch(() => undefined)
    this.#channel = new Channel<Uint8Array>({
      highWater: highWaterChunks,
      onDrain: () => this.#resume(),
      onCancel: () => this.#stream.abort(new Error('the reader left')),
    })
    stream.maxReadBufferLength = maxReadBufferBytes
    stream.addEventListener('message', (event) => this.#take(event.data.subarray()))
    stream.addEventListener('remoteCloseWrite', () => this.#end(undefined))
    stream.addEventListener('close', (event) => this.#end(event.error ?? new Error('the stream was reset')))
    this.#listen()
  }

  get head(): Promise<FileHead> {
    return this.#head.promise
  }

  /** Exactly so many bytes, or a rejection. */
  async *bytes(length: number): AsyncGenerator<Uint8Array, void, void> {
    let left = length
    for await (const chunks of this.#channel) {
      for (const chunk of chunks) {
        left -= chunk.length
        if (left < 0) throw new Error('a node sends more of a file than it was asked for')
        yield chunk
      }
    }
    if (this.#failure !== undefined) throw this.#failure
    if (left > 0) throw new Error(`a node ended ${left} bytes before the end of a file`)
  }

  #take(chunk: Uint8Array): void {
    this.#heardMs = backgroundClock.monotonicMs()
    let rest = chunk
    if (this.#headFilled < fileHeadBytes) {
      const taken = chunk.subarray(0, fileHeadBytes - this.#headFilled)
      this.#headBytes.set(taken, this.#headFilled)
      this.#headFilled += taken.length
      if (this.#headFilled < fileHeadBytes) return
      rest = chunk.subarray(taken.length)
      try {
        this.#head.resolve(decodeFileHead(this.#headBytes))
      } catch (error) {
        this.#fail(error as Error)
        return
      }
    }
    if (rest.length > 0 && !this.#channel.push(rest) && !this.#channel.closed) this.#pause()
  }

  #pause(): void {
    this.#paused = true
    if (this.#stream.status === 'open') this.#stream.pause()
  }

  #resume(): void {
    this.#paused = false
    this.#heardMs = backgroundClock.monotonicMs()
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  #fail(error: Error): void {
    this.#end(error)
    this.#stream.abort(error)
  }

  #end(error: Error | undefined): void {
    backgroundClock.clearTimeout(this.#watch)
    if (this.#channel.closed) return
    this.#failure = error
    this.#head.reject(error ?? new Error('the stream ended before it began'))
    this.#channel.end()
    if (error === undefined) this.#stream.close().catch(() => undefined)
  }

  /** A holder whose disk is slow says nothing for a while; one that is gone says nothing for ever. */
  #listen(): void {
    this.#watch = backgroundClock.setTimeout(() => {
      const silentMs = backgroundClock.monotonicMs() - this.#heardMs
      if (this.#paused || silentMs < fileSilenceMs) this.#listen()
      else this.#fail(new Error(`a node has sent nothing of a file for ${fileSilenceMs / 1000} s`))
    }, fileSilenceMs / 3)
  }
}
