/** The entry node's side of `/omx/infer/1`: requests on pooled streams, because opening one costs a round trip or two. */
import type { Stream } from '@libp2p/interface'
import {
  type InferFrame,
  type InferRequest,
  type InferStream,
  inferProtocol,
  unknownLoad,
} from '../../protocols/infer.ts'
import { encodeInferRequest } from '../../protocols/infer-request.ts'
import type { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Clock } from '../runtime/world.ts'
import { backgroundClock } from './clock.ts'
import { InferCall } from './infer-call.ts'
import { InferLine } from './infer-line.ts'
import { idleStreamMs, maxIdleStreamsPerPeer, maxInferStreams } from './limits.ts'

export interface InferClientInit {
  /** Opens a stream on a connection that exists; never dials. */
  readonly openStream: (node: NodeId, protocol: string, signal: AbortSignal) => Promise<Stream>
  readonly onViolation: (from: NodeId, error: ProtocolError) => void
  /** No frame for longer than this ends an answer as `stalled`. */
  readonly stallMs: number
  /** Default: real time. */
  readonly clock?: Clock
}

/** libp2p's own count of a connection's streams has reached `maxInferStreams`. */
const tooManyStreams = 'TooManyOutboundProtocolStreamsError'

const allTaken = (node: NodeId): InferFrame => ({
  kind: 'refused',
  reason: 'busy',
  message: `${maxInferStreams} requests from here are under way at ${node}`,
  load: unknownLoad,
})

export class InferClient {
  readonly #init: InferClientInit
  readonly #idle = new Map<NodeId, Map<InferLine, unknown>>()
  readonly #clock: Clock

  constructor(init: InferClientInit) {
    this.#init = init
    this.#clock = init.clock ?? backgroundClock
  }

  /** Never throws and never rejects. Leaving the loop, or the signal, resets the stream and so stops the worker. */
  infer(node: NodeId, request: InferRequest, signal?: AbortSignal): InferStream {
    const call = new InferCall(this.#init.stallMs, signal, this.#clock)
    if (!call.ended) void this.#start(node, request, call)
    return call.frames
  }

  /** Closes the streams that nobody uses; running answers end when their connections do. */
  close(): void {
    for (const lines of this.#idle.values()) for (const line of [...lines.keys()]) line.reset('the node stops')
  }

  async #start(node: NodeId, request: InferRequest, call: InferCall): Promise<void> {
    let body: Uint8Array
    try {
      body = encodeInferRequest(request)
    } catch (error) {
      call.fail('invalid-request', (error as Error).message)
      return
    }
    try {
      const line = this.#takeIdle(node) ?? (await this.#open(node, call.opening))
      if (call.ended) this.#release(node, line)
      else line.start(call, body)
    } catch (error) {
      if ((error as Error).name === tooManyStreams) call.deliver(allTaken(node))
      else call.fail('link-lost', `no stream to ${node}: ${(error as Error).message}`)
    }
  }

  async #open(node: NodeId, signal: AbortSignal): Promise<InferLine> {
    const stream = await this.#init.openStream(node, inferProtocol, signal)
    return new InferLine({
      stream,
      onIdle: (line) => this.#release(node, line),
      onClosed: (line) => this.#forget(node, line),
      onViolation: (error) => this.#init.onViolation(node, error),
    })
  }

  #takeIdle(node: NodeId): InferLine | undefined {
    // The newest first: what is left over after a burst grows old and is closed.
    for (const line of [...(this.#idle.get(node)?.keys() ?? [])].reverse()) {
      this.#forget(node, line)
      if (line.usable) return line
    }
    return undefined
  }

  #release(node: NodeId, line: InferLine): void {
    const lines = this.#idle.get(node) ?? new Map<InferLine, unknown>()
    if (lines.size >= maxIdleStreamsPerPeer) {
      line.close()
      return
    }
    const expiry = this.#clock.setTimeout(() => {
      this.#forget(node, line)
      line.close()
    }, idleStreamMs)
    lines.set(line, expiry)
    this.#idle.set(node, lines)
  }

  #forget(node: NodeId, line: InferLine): void {
    const lines = this.#idle.get(node)
    this.#clock.clearTimeout(lines?.get(line))
    lines?.delete(line)
    if (lines?.size === 0) this.#idle.delete(node)
  }
}
