/** The libp2p node as this project wants it: a medium (TCP and TLS 1.3), yamux, and every limit named. */

import { identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { NodeId } from '../../protocols/ref.ts'
import { coalesced } from './coalesced.ts'
import { parseAddress } from './dial.ts'
import { ListenError } from './errors.ts'
import { gossipService } from './gossip.ts'
import * as limits from './limits.ts'
import type { Medium } from './medium.ts'

/** What nodes of this project ask the local network for; other libp2p programs use another. */
const discoveryTag = '_omx._udp.local'

/** How often the local network is asked: a node that starts is found at once, this finds those that were missed. */
const discoveryIntervalMs = 10_000

const loopback = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/

export interface NodeInit {
  readonly privateKey: PrivateKey
  readonly listen: readonly string[]
  readonly medium: Medium
  readonly mdns: boolean
  /** Name and version, told to peers by identify. */
  readonly software: string
  readonly admits: (node: NodeId) => boolean
  readonly onDiscovered: (node: NodeId, addresses: readonly string[]) => void
}

export type Node = Awaited<ReturnType<typeof createNode>>

/** A node that is not started yet, so that nobody reaches it before its handlers are in place. Rejects with a ListenError. */
export async function createNode(init: NodeInit) {
  for (const address of init.listen) {
    if (parseAddress(address, init.medium) !== undefined) continue
    throw new ListenError(
      'invalid-address',
      address,
      `${address} is no address to listen on. Write it as /ip4/127.0.0.1/tcp/11435 (port 0: any free one).`,
    )
  }
  return await createLibp2p({
    start: false,
    privateKey: init.privateKey,
    nodeInfo: { userAgent: init.software },
    addresses: { listen: [...init.listen] },
    transports: [init.medium.transport],
    connectionEncrypters: [coalesced(init.medium.encrypter)],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.maxStreamsPerConnection,
        maxOutboundStreams: limits.maxStreamsPerConnection,
        streamOptions: {
          maxStreamWindowSize: limits.maxStreamWindowBytes,
          maxReadBufferLength: limits.maxReadBufferBytes,
        },
      }),
    ],
    connectionGater: gater(init),
    connectionManager: connectionLimits(init),
    connectionMonitor: {
      pingInterval: limits.connectionPingMs,
      pingTimeout: { minTimeout: limits.connectionPingTimeoutMs, maxTimeout: limits.connectionPingTimeoutMs },
    },
    peerDiscovery: init.mdns ? [discovery(init.onDiscovered)] : [],
    services: {
      identify: identify({
        maxInboundStreams: limits.maxStreamsPerProtocol,
        maxOutboundStreams: limits.maxStreamsPerProtocol,
        timeout: limits.negotiationTimeoutMs,
      }),
      ping: ping({
        maxInboundStreams: limits.maxStreamsPerProtocol,
        maxOutboundStreams: limits.maxStreamsPerProtocol,
        timeout: limits.connectionPingTimeoutMs,
      }),
      pubsub: gossipService(),
    },
  })
}

function gater({ admits }: NodeInit) {
  const denies = (peer: { toString(): string }) => !admits(peer.toString())
  return {
    denyDialMultiaddr: () => false,
    denyDialPeer: denies,
    denyInboundEncryptedConnection: denies,
    denyOutboundEncryptedConnection: denies,
  }
}

function connectionLimits({ listen }: NodeInit) {
  const onLoopback = listen.every((address) => loopback.test(address))
  return {
    maxConnections: limits.maxConnections,
    maxParallelDials: limits.maxParallelDials,
    maxDialQueueLength: limits.maxDialQueue,
    maxPeerAddrsToDial: limits.maxAddressesToDial,
    // Each dial brings its own limit, in time that this process has lived through; see dial.ts.
    addressDialTimeout: limits.starvedDialTimeoutMs,
    dialTimeout: limits.starvedDialTimeoutMs,
    connectionCloseTimeout: limits.connectionCloseTimeoutMs,
    inboundUpgradeTimeout: limits.upgradeTimeoutMs,
    inboundStreamProtocolNegotiationTimeout: limits.starvedDialTimeoutMs,
    outboundStreamProtocolNegotiationTimeout: limits.starvedDialTimeoutMs,
    inboundConnectionThreshold: onLoopback ? limits.maxInboundPerSecondOnLoopback : limits.maxInboundPerSecond,
    maxIncomingPendingConnections: limits.maxPendingInbound,
    // Who is dialled, and when, is decided by actors/peer.ts alone.
    reconnectRetries: 0,
  }
}

/** Begins to listen. Rejects with a ListenError when an address cannot be used. */
export async function startNode(libp2p: Node, listen: readonly string[]): Promise<void> {
  try {
    await libp2p.start()
  } catch (error) {
    throw listenErrorOf(listen, error)
  }
}

/** mDNS only: libp2p also calls a peer discovered that has dialled us. */
function discovery(onDiscovered: NodeInit['onDiscovered']): ReturnType<typeof mdns> {
  const create = mdns({ serviceTag: discoveryTag, interval: discoveryIntervalMs })
  return (components) => {
    const service = create(components)
    service.addEventListener('peer', (event) => {
      const { id, multiaddrs } = event.detail
      const addresses = multiaddrs.slice(0, limits.maxRememberedAddresses)
      onDiscovered(
        id.toString(),
        addresses.map((address) => `${address.toString()}/p2p/${id.toString()}`),
      )
    })
    return service
  }
}

function listenErrorOf(listen: readonly string[], error: unknown): Error {
  const { name, message } = error as Error
  if (!name.includes('ListenAddress')) return error as Error
  // libp2p lists the failed addresses in the text of its error, one a line.
  const address = listen.find((candidate) => message.includes(`${candidate}:`)) ?? listen.join(', ')
  if (message.includes('EADDRINUSE')) {
    const what = `The p2p address ${address} is in use: another node runs there. Stop it, or choose another port with --p2p.`
    return new ListenError('in-use', address, what, { cause: error })
  }
  if (message.includes('EADDRNOTAVAIL') || message.includes('ENOTFOUND')) {
    const what = `This host has no address for ${address}. Choose one of its own, or /ip4/0.0.0.0/tcp/… for all.`
    return new ListenError('not-available', address, what, { cause: error })
  }
  if (message.includes('EACCES')) {
    const what = `This user may not listen on ${address}. Choose a port above 1023.`
    return new ListenError('denied', address, what, { cause: error })
  }
  return new ListenError('failed', address, `Cannot listen on ${address}: ${message.trim()}`, { cause: error })
}
