/** `/omx/actor/1` over libp2p: the runtime's carrier. One long-lived stream per peer and direction. */
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { actorProtocol, maxActorFrameBytes } from '../../protocols/actor.ts'
import { FrameReader } from '../../protocols/framing.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Carrier } from '../runtime/carrier.ts'
import type { Clock, TimerId } from '../runtime/world.ts'
import { backgroundClock } from './clock.ts'
import { maxReadBufferBytes, maxStreamsPerProtocol, streamLossMs } from './limits.ts'
import { Outbox } from './outbox.ts'

export interface LinkInit {
  /** One body from a peer, in the order in which it sent them. A ProtocolError thrown here is a violation. */
  readonly onFrame: (from: NodeId, body: Uint8Array) => void
  /** Bodies that a broken stream or connection left behind. */
  readonly onFramesLost: (node: NodeId, bodies: readonly Uint8Array[]) => void
  /** A stream to or from a peer that stays connected broke: what was on its way is lost, and neither side knows what. */
  readonly onStreamLost: (node: NodeId) => void
  readonly onViolation: (from: NodeId, error: ProtocolError) => void
  /** Opens a stream on a connection that exists; never dials. */
  readonly openStream: (node: NodeId, protocol: string) => Promise<Stream>
  /** Default: real time. */
  readonly clock?: Clock
}

export class Link implements Carrier {
  readonly #init: LinkInit
  readonly #clock: Clock
  readonly #outboxes = new Map<NodeId, Outbox>()
  readonly #inbound = new Map<NodeId, Stream>()
  /** Losses that are about to be told: one for all streams of a peer that break together. */
  readonly #losses = new Map<NodeId, TimerId>()

  constructor(init: LinkInit) {
    this.#init = init
    this.#clock = init.clock ?? backgroundClock
  }

  async listen(libp2p: Libp2p): Promise<void> {
    await libp2p.handle(actorProtocol, (stream, connection) => this.#accept(stream, connection), {
      maxInboundStreams: maxStreamsPerProtocol,
      maxOutboundStreams: maxStreamsPerProtocol,
    })
  }

  send(node: NodeId, frame: Uint8Array): boolean {
    return frame.length <= maxActorFrameBytes && this.#outboxes.get(node)?.push(frame) === true
  }

  /** A peer's first connection is open. */
  connected(node: NodeId): void {
    const outbox = new Outbox({
      open: () => this.#init.openStream(node, actorProtocol),
      onLost: (bodies) => this.#init.onFramesLost(node, bodies),
      onBroken: () => this.#lost(node),
    })
    this.#outboxes.set(node, outbox)
  }

  /** A peer's last connection is gone: what waits for it is lost, now. */
  disconnected(node: NodeId): void {
    const outbox = this.#outboxes.get(node)
    this.#outboxes.delete(node)
    this.#inbound.delete(node)
    this.#clock.clearTimeout(this.#losses.get(node))
    this.#losses.delete(node)
    outbox?.close()
  }

  #lost(node: NodeId): void {
    if (!this.#outboxes.has(node) || this.#losses.has(node)) return
    const tell = (): void => {
      this.#losses.delete(node)
      this.#init.onStreamLost(node)
    }
    this.#losses.set(node, this.#clock.setTimeout(tell, streamLossMs))
  }

  #accept(stream: Stream, connection: Connection): void {
    const from = connection.remotePeer.toString()
    // A peer that opens a second stream has given up the first: frames of both would lose their order.
    this.#inbound.get(from)?.abort(new Error('replaced by a newer stream'))
    this.#inbound.set(from, stream)
    stream.maxReadBufferLength = maxReadBufferBytes
    const reader = new FrameReader(maxActorFrameBytes)
    stream.addEventListener('message', (event) => {
      try {
        for (const body of reader.push(event.data.subarray())) this.#init.onFrame(from, body)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        stream.abort(error)
        this.#init.onViolation(from, error)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => {}))
    stream.addEventListener('close', () => {
      if (this.#inbound.get(from) === stream) this.#inbound.delete(from)
      this.#lost(from)
    })
  }
}
