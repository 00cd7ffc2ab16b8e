/** This node on the network: the one thing that `src/node.ts` opens, and what the other rooms need of it. */
import type { PrivateKey, Stream } from '@libp2p/interface'
import type { ReadableBlob } from '../../actors/model-catalog.ts'
import type { FileRequest } from '../../protocols/file.ts'
import type { InferRequest, InferStream } from '../../protocols/infer.ts'
import type { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Carrier } from '../runtime/carrier.ts'
import { AddressBook } from './address-book.ts'
import { awakeTimeout } from './awake.ts'
import { Connections } from './connections.ts'
import { dial } from './dial.ts'
import { openRemoteFile } from './file-client.ts'
import { FileServer, type FileServerInit } from './file-server.ts'
import { Gossip } from './gossip.ts'
import { InferClient } from './infer-client.ts'
import { InferServer } from './infer-server.ts'
import { createNode, startNode } from './libp2p.ts'
import * as limits from './limits.ts'
import { Link } from './link.ts'
import { type Medium, tcpAndTls } from './medium.ts'

export interface HostEvents {
  /** The first connection to a peer is open; frames can be sent. */
  readonly onConnected: (node: NodeId) => void
  /** The last connection to a peer is gone. Whether the peer is, is for others to find out. */
  readonly onDisconnected: (node: NodeId) => void
  /** mDNS has found a node on the local network. */
  readonly onDiscovered: (node: NodeId, addresses: readonly string[]) => void
  /** One body of `/omx/actor/1`, in the sender's order. A ProtocolError thrown here aborts the stream. */
  readonly onFrame: (from: NodeId, body: Uint8Array) => void
  /** Bodies that `carrier.send` took and that a lost stream left behind. */
  readonly onFramesLost: (node: NodeId, bodies: readonly Uint8Array[]) => void
  /** What was on its way to or from this peer may be lost, though it stays connected. */
  readonly onStreamLost: (node: NodeId) => void
  /** A report from the gossip topic, with the peer that signed it. Unchecked: see `decodeReport`. */
  readonly onReport: (from: NodeId, bytes: Uint8Array) => void
  /** A peer sent what no protocol allows; the stream on which it did is closed. */
  readonly onViolation: (from: NodeId, error: ProtocolError) => void
  /** Connection policy: whether this peer may be connected at all. */
  readonly admits: (node: NodeId) => boolean
  /** Computes a request of another node; see `InferServer`. */
  readonly serve: (request: InferRequest, from: NodeId) => InferStream
  /** A file that another node asks for; see `FileServer`. */
  readonly openFile: FileServerInit['openFile']
}

export interface HostInit {
  readonly privateKey: PrivateKey
  /** Multiaddrs to listen on, such as `/ip4/127.0.0.1/tcp/11435`. */
  readonly listen: readonly string[]
  /** Whether to look for nodes on the local network and be found there. */
  readonly mdns: boolean
  /** Name and version of this program, told to peers. */
  readonly software: string
  readonly events: HostEvents
  /** Watchdog of `infer` in ms; the default is in `limits.ts`. */
  readonly stallMs?: number
  /** How long who reads a file may take nothing of it, in ms; the default is in `limits.ts`. */
  readonly fileStallMs?: number
  /** Default: TCP and TLS. */
  readonly medium?: Medium
}

export interface Host {
  readonly peerId: NodeId
  /** Where this node listens: full multiaddrs that end in `/p2p/<id>`. */
  addresses(): string[]
  /** Connects to the peer behind these addresses; rejects with a DialError. A peer that is connected stays so. */
  dial(addresses: readonly string[]): Promise<NodeId>
  connected(node: NodeId): boolean
  /** Where the peer can be dialled, as far as it said or was reached; also after it has gone. */
  addressesOf(node: NodeId): string[]
  /** Cuts all connections to the peer, now: one that has fallen silent cannot be closed politely. */
  hangUp(node: NodeId): void
  readonly carrier: Carrier
  /** Never throws: without a connection the answer is one `failed` frame with `link-lost`. */
  infer(node: NodeId, request: InferRequest, signal?: AbortSignal): InferStream
  /** A manifest or a blob of another node; see `openRemoteFile`. */
  openFile(
    node: NodeId,
    file: Pick<FileRequest, 'kind' | 'digest'>,
    signal: AbortSignal,
  ): Promise<ReadableBlob | undefined>
  publishReport(bytes: Uint8Array): void
  close(): Promise<void>
}

/** Opens the network. Rejects with a ListenError when an address cannot be listened on. */
export async function openHost(init: HostInit): Promise<Host> {
  const { events, medium = tcpAndTls } = init
  const libp2p = await createNode({ ...init, medium, admits: events.admits, onDiscovered: events.onDiscovered })
  const connections = new Connections()
  const book = new AddressBook()

  const openStream = async (node: NodeId, protocol: string, signal?: AbortSignal): Promise<Stream> => {
    const connection = connections.open(node)
    if (connection === undefined) throw new Error(`${node} is not connected`)
    const timeout = awakeTimeout(limits.negotiationTimeoutMs)
    try {
      return await connection.newStream(protocol, {
        signal: signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]),
      })
    } finally {
      timeout.clear()
    }
  }
  const link = new Link({ ...events, openStream })
  const client = new InferClient({ ...events, openStream, stallMs: init.stallMs ?? limits.stallMs })
  const server = new InferServer(events)
  const files = new FileServer({ ...events, stallMs: init.fileStallMs ?? limits.fileStallMs })

  libp2p.addEventListener('connection:open', ({ detail: connection }) => {
    const node = connection.remotePeer.toString()
    if (connection.direction === 'outbound') book.reached(node, connection.remoteAddr)
    if (!connections.add(node, connection)) return
    link.connected(node)
    events.onConnected(node)
  })
  libp2p.addEventListener('connection:close', ({ detail: connection }) => {
    const node = connection.remotePeer.toString()
    if (!connections.remove(node, connection)) return
    link.disconnected(node)
    events.onDisconnected(node)
  })
  libp2p.addEventListener('peer:identify', ({ detail }) => {
    book.announced(detail.peerId.toString(), detail.listenAddrs, detail.connection.remoteAddr)
  })

  await link.listen(libp2p)
  await server.listen(libp2p)
  await files.listen(libp2p)
  await startNode(libp2p, init.listen)
  const gossip = new Gossip(libp2p.services.pubsub, events.onReport)

  return {
    peerId: libp2p.peerId.toString(),
    carrier: link,
    addresses: () => libp2p.getMultiaddrs().map(String),
    dial: (addresses) => dial(libp2p, medium, addresses),
    connected: (node) => connections.has(node),
    addressesOf: (node) => book.of(node),
    hangUp: (node) => {
      for (const connection of connections.of(node)) connection.abort(new Error('hung up'))
    },
    infer: (node, request, signal) => client.infer(node, request, signal),
    openFile: (node, file, signal) => openRemoteFile(openStream, node, file, signal),
    publishReport: (bytes) => gossip.publish(bytes),
    close: async () => {
      client.close()
      await libp2p.stop()
    },
  }
}
