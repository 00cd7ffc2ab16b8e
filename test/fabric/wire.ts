/**
 * A connection in memory as libp2p sees a socket: bytes in order, an end or a reset after them, and a writer that must
 * wait when too much is on its way. @libp2p/memory has no such limit, and tells of an end before what was sent ahead of it.
 */
import type { Logger } from '@libp2p/interface'
import { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Fault, Lane } from './lane.ts'

type Bytes = Parameters<AbstractMultiaddrConnection['sendData']>[0]

export interface WireEndInit {
  readonly direction: 'inbound' | 'outbound'
  readonly remoteAddr: Multiaddr
  readonly log: Logger
  /** Of what this end sends. */
  readonly fault: () => Fault
  readonly onSent: (bytes: number) => void
}

class WireEnd extends AbstractMultiaddrConnection {
  readonly lane: Lane
  other: WireEnd | undefined
  readonly #onSent: WireEndInit['onSent']

  constructor({ fault, onSent, ...init }: WireEndInit) {
    super(init)
    this.#onSent = onSent
    this.lane = new Lane({ fault, onDrain: () => this.safeDispatchEvent('drain') })
  }

  override sendData(data: Bytes) {
    const bytes = data.subarray()
    this.#onSent(bytes.byteLength)
    const canSendMore = this.lane.send(bytes.byteLength, () => this.other?.onData(bytes))
    return { sentBytes: bytes.byteLength, canSendMore }
  }

  override async sendClose(): Promise<void> {
    this.lane.send(0, () => this.other?.onTransportClosed())
  }

  override sendReset(): void {
    this.lane.send(0, () => this.other?.abort(new Error('the connection was reset')))
  }

  /** No reader of a connection pauses: yamux does so by stream. */
  override sendPause(): void {}
  override sendResume(): void {}
}

export interface Wire {
  readonly dialler: AbstractMultiaddrConnection
  readonly listener: AbstractMultiaddrConnection
  /** Bytes on their way from the dialler, and to it. */
  readonly waitingBytes: readonly [number, number]
  /** A fault has changed. */
  wake(): void
  /** Both ends are reset at once; what was on its way is lost. */
  cut(): void
}

/** `onClosed` is called when neither end is open any more. */
export function wire(dialler: WireEndInit, listener: WireEndInit, onClosed: () => void): Wire {
  const ends = [new WireEnd(dialler), new WireEnd(listener)] as const
  const lose = (): void => {
    for (const { lane } of ends) lane.close()
  }
  for (const [index, end] of ends.entries()) {
    end.other = ends[1 - index]
    end.addEventListener('close', () => {
      if (ends.some(({ status }) => status === 'open' || status === 'closing')) return
      lose()
      onClosed()
    })
  }
  return {
    dialler: ends[0],
    listener: ends[1],
    get waitingBytes() {
      return [ends[0].lane.waitingBytes, ends[1].lane.waitingBytes] as const
    },
    wake: () => {
      for (const { lane } of ends) lane.wake()
    },
    cut: () => {
      lose()
      for (const end of ends) end.abort(new Error('the connection was cut'))
    },
  }
}
