/** The holder's side of `/omx/file/1`: reads manifests and blobs out to other nodes, no faster than they take them. */
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import {
  decodeFileRequest,
  encodeFileHead,
  type FileHead,
  type FileRequest,
  fileProtocol,
  maxFileRequestBytes,
} from '../../protocols/file.ts'
import { FrameReader } from '../../protocols/framing.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { awakeTimeout } from './awake.ts'
import { drained } from './drained.ts'
import { fileRequestTimeoutMs, maxFileReads, maxFileStreams, maxWriteBytes } from './limits.ts'

export interface FileServerInit {
  /** The file that a request names; undefined: it is not here. */
  readonly openFile: (request: Pick<FileRequest, 'kind' | 'digest'>) => Promise<ReadableBlob | undefined>
  readonly onViolation: (from: NodeId, error: ProtocolError) => void
  /** A reader that takes nothing for so long is given up. */
  readonly stallMs: number
}

export class FileServer {
  readonly #init: FileServerInit
  #reads = 0

  constructor(init: FileServerInit) {
    this.#init = init
  }

  async listen(libp2p: Libp2p): Promise<void> {
    await libp2p.handle(fileProtocol, (stream, connection) => void this.#serve(stream, connection), {
      maxInboundStreams: maxFileStreams,
      maxOutboundStreams: maxFileStreams,
    })
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    try {
      await this.#answer(stream, await requestOn(stream))
      await stream.close()
    } catch (error) {
      stream.abort(error as Error)
      if (error instanceof ProtocolError) this.#init.onViolation(connection.remotePeer.toString(), error)
    }
  }

  async #answer(stream: Stream, request: FileRequest): Promise<void> {
    if (this.#reads >= maxFileReads) return sendHead(stream, { status: 'busy', sizeBytes: 0 })
    this.#reads++
    try {
      const file = await this.#init.openFile(request).catch(() => null)
      if (!file) return sendHead(stream, { status: file === null ? 'failed' : 'absent', sizeBytes: 0 })
      sendHead(stream, { status: 'found', sizeBytes: file.sizeBytes })
      await sendBytes(stream, file, request, this.#init.stallMs)
    } finally {
      this.#reads--
    }
  }
}

/** The one request of a stream. */
function requestOn(stream: Stream): Promise<FileRequest> {
  const reader = new FrameReader(maxFileRequestBytes)
  const timeout = awakeTimeout(fileRequestTimeoutMs)
  return new Promise<FileRequest>((resolve, reject) => {
    timeout.signal.addEventListener('abort', () => reject(timeout.signal.reason))
    stream.addEventListener('close', (event) => reject(event.error ?? new Error('the stream ended')))
    stream.addEventListener('message', (event) => {
      try {
        const [body] = reader.push(event.data.subarray())
        if (body !== undefined) resolve(decodeFileRequest(body))
      } catch (error) {
        reject(error)
      }
    })
  }).finally(() => timeout.clear())
}

function sendHead(stream: Stream, head: FileHead): void {
  stream.send(encodeFileHead(head))
}

async function sendBytes(
  stream: Stream,
  file: ReadableBlob,
  { start, end }: FileRequest,
  stallMs: number,
): Promise<void> {
  const giveUp = () => stream.abort(new Error(`nothing of a file was taken for ${stallMs / 1000} s`))
  const timer = setTimeout(giveUp, stallMs).unref()
  try {
    for await (const chunk of file.read(start, Math.min(end, file.sizeBytes))) {
      for (let from = 0; from < chunk.length; from += maxWriteBytes) {
        if (!stream.send(chunk.subarray(from, from + maxWriteBytes))) await drained(stream)
      }
      timer.refresh()
    }
  } finally {
    clearTimeout(timer)
  }
}
