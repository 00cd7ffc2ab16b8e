/** The report topic over gossipsub: signed by its author, forwarded by anybody, never relied upon. */
import { type GossipSub, gossipsub, StrictSign } from '@libp2p/gossipsub'
import type { NodeId } from '../../protocols/ref.ts'
import { reportTopic } from '../../protocols/report.ts'
import { maxReportBytes } from '../../protocols/report-codec.ts'
import { maxStreamsPerProtocol } from './limits.ts'

/** Bytes that wait for one slow peer: a handful of the largest reports. */
const maxOutboundBytes = 8 * maxReportBytes

/** What one RPC may announce: gossipsub asks for no bound, this project does. */
const rpcLimits = {
  maxSubscriptions: 16,
  maxMessages: 256,
  maxIhaveMessageIDs: 4096,
  maxIwantMessageIDs: 4096,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 256,
  maxPeerInfos: 16,
}

/** The service to be handed to libp2p. */
export function gossipService() {
  return gossipsub({
    globalSignaturePolicy: StrictSign,
    allowedTopics: [reportTopic],
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    doPX: false,
    maxInboundStreams: maxStreamsPerProtocol,
    maxOutboundStreams: maxStreamsPerProtocol,
    maxInboundDataLength: maxReportBytes,
    maxOutboundBufferSize: maxOutboundBytes,
    decodeRpcLimits: rpcLimits,
    // Nodes of one host or behind one address are normal here, not an attack.
    scoreParams: { IPColocationFactorWeight: 0 },
  })
}

export class Gossip {
  readonly #pubsub: GossipSub

  /** `onReport` hears every report with the peer that signed it, which need not be the one that brought it. */
  constructor(pubsub: GossipSub, onReport: (from: NodeId, bytes: Uint8Array) => void) {
    this.#pubsub = pubsub
    pubsub.addEventListener('message', (event) => {
      const message = event.detail
      if (message.type !== 'signed' || message.topic !== reportTopic) return
      onReport(message.from.toString(), message.data)
    })
    pubsub.subscribe(reportTopic)
  }

  /** Hands the report to whoever listens. A failure is not reported: the next report says the same and more. */
  publish(bytes: Uint8Array): void {
    this.#pubsub.publish(reportTopic, bytes).catch(() => {})
  }
}
