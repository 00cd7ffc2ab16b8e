/** The worker's side of `/omx/infer/1`: takes requests from streams and hands each to whoever computes. */
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type InferRequest, type InferStream, inferProtocol } from '../../protocols/infer.ts'
import type { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Clock } from '../runtime/world.ts'
import { backgroundClock } from './clock.ts'
import { InferConversation, type RequestBudget } from './infer-conversation.ts'
import { maxInboundInferStreams, maxInferStreams, maxUnfinishedRequestBytes } from './limits.ts'

export interface InferServerInit {
  /** Computes one request; see `InferStream`. Its iterator's `return` must work while a `next` is pending. */
  readonly serve: (request: InferRequest, from: NodeId) => InferStream
  readonly onViolation: (from: NodeId, error: ProtocolError) => void
  /** Default: real time. */
  readonly clock?: Clock
}

export class InferServer {
  readonly #init: InferServerInit
  /** One for all streams: many half-sent requests must not add up to all of the memory. */
  readonly #budget: RequestBudget = { usedBytes: 0, maxBytes: maxUnfinishedRequestBytes }

  constructor(init: InferServerInit) {
    this.#init = init
  }

  async listen(libp2p: Libp2p): Promise<void> {
    await libp2p.handle(inferProtocol, (stream, connection) => this.#accept(stream, connection), {
      maxInboundStreams: maxInboundInferStreams,
      maxOutboundStreams: maxInferStreams,
    })
  }

  #accept(stream: Stream, connection: Connection): void {
    const from = connection.remotePeer.toString()
    new InferConversation({
      stream,
      budget: this.#budget,
      clock: this.#init.clock ?? backgroundClock,
      serve: (request) => this.#init.serve(request, from),
      onViolation: (error) => this.#init.onViolation(from, error),
    })
  }
}
