/** Every limit of the network in one place, libp2p's own included: none is left to a default that may change. */

const second = 1000
const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Connections with everybody: a full mesh of 64 nodes, both sides dialling at once, several times over. */
export const maxConnections = 300

/** New connections per second from one address: a node redials a peer at most once a second. */
export const maxInboundPerSecond = 5

/** The same where only loopback is listened on: there all nodes of the host share one address. */
export const maxInboundPerSecondOnLoopback = 50

/** Connections that are still shaking hands: a TLS handshake costs about 5 ms of one core. */
export const maxPendingInbound = 32

/** Dials at once, and dials that wait for their turn. */
export const maxParallelDials = 32
export const maxDialQueue = 256

/** One address, from connect to upgraded: three round trips and two handshakes on a slow link fit; a dead host costs little. */
export const addressDialTimeoutMs = 2 * second

/** After this long no further address of a peer is tried. */
export const dialTimeoutMs = 6 * second

/** A dial on a host so busy that even its own patience comes to no end. */
export const starvedDialTimeoutMs = 20 * second

/** Addresses of one peer that are tried: a host with more interfaces lists the useful ones first. */
export const maxAddressesToDial = 16

/** A connection that does not finish its handshakes in this time is dropped. */
export const upgradeTimeoutMs = 15 * second

/** Agreeing on a stream's protocol: one round trip, on a host that may be busy. */
export const negotiationTimeoutMs = 5 * second

/** How long a graceful close may take before the socket is cut. */
export const connectionCloseTimeoutMs = second

/** libp2p's own check of a connection. Peers notice silence far earlier, by heartbeats; this one frees the socket. */
export const connectionPingMs = 10 * second

/** Generous, because a starved host accuses nobody. */
export const connectionPingTimeoutMs = 10 * second

/** A socket without one byte for this long is dead: pings go every ten seconds. */
export const socketInactivityMs = 60 * second

/** Streams of one protocol on one connection, where nothing else is said. */
export const maxStreamsPerProtocol = 32

/** `/omx/infer/1` is pooled, one stream per running request: 32 at once is a normal load, 256 is a full worker. */
export const maxInferStreams = 256

/** At the worker, where a stream that the other side has just closed may still be counted. */
export const maxInboundInferStreams = 2 * maxInferStreams

/** All streams of a connection, both ways: infer's 256 each way and what the other protocols may have. */
export const maxStreamsPerConnection = 1000

/** How far a sender may be ahead of a reader on one stream: 2 Gbit/s at 1 ms, and 10,000 tokens nobody has read. */
export const maxStreamWindowBytes = mebibyte

/** A paused stream holds what its sender may still send, and no more than twice that. */
export const maxReadBufferBytes = 2 * maxStreamWindowBytes

/** Frames that wait for a slow peer before `send` answers false: half a minute of heavy traffic. */
export const maxOutboxBytes = 8 * mebibyte

/** Streams of a peer that break within this are one loss; also how often one that breaks again and again is told of. */
export const streamLossMs = 100

/** What is written to a stream at once: large enough to amortise a write, small enough that a loss is known exactly. */
export const maxWriteBytes = 64 * kibibyte

/** Frames that wait for a slow HTTP client before the stream from the worker is paused. */
export const inferHighWaterFrames = 256

/** No frame from a worker for longer than this is a stall; a live worker says something every `keepaliveMs`. */
export const stallMs = 10 * second

/** A timer that fires this late says more about this process than about the worker. */
export const starvedMs = 500

/** A worker whose engine is silent for this long repeats its last progress. */
export const keepaliveMs = 2 * second

/**
 * Pooled streams to one peer that nobody uses: the requests that a burst leaves behind. Answers that arrive together end
 * together, so that under a steady load of twice as many half of the streams are idle for a moment.
 */
export const maxIdleStreamsPerPeer = 128

/** A pooled stream is closed after this long unused. */
export const idleStreamMs = 30 * second

/** The worker's side of an unused stream waits longer, so that a stream is never taken while it closes. */
export const idleServerStreamMs = 2 * idleStreamMs

/** Unfinished requests of all peers together, in bytes: four of the largest, or thousands of normal ones. */
export const maxUnfinishedRequestBytes = 128 * mebibyte

/** `/omx/file/1` on one connection: a few downloads in parallel parts. */
export const maxFileStreams = 64

/** Files that a node reads out to others at once: a disk that is asked for more only seeks. */
export const maxFileReads = 128

/** A reader that takes nothing of a file for so long is given up: it holds a place. An HTTP client is cut off earlier. */
export const fileStallMs = 600 * second

/** A stream for a file that asks for none. */
export const fileRequestTimeoutMs = 10 * second

/** A holder that sends nothing of a file for so long is gone, or its disk is. */
export const fileSilenceMs = 30 * second

/** Peers whose addresses are remembered after they left. */
export const maxRememberedPeers = 1024

/** Addresses that are remembered of one peer. */
export const maxRememberedAddresses = 16
