/** The fabric as a libp2p transport: dials and listens at `/memory/<name>`. */
import {
  type ComponentLogger,
  type Listener,
  type ListenerEvents,
  type PeerId,
  serviceCapabilities,
  type Transport,
  TypedEventEmitter,
  transportSymbol,
  type Upgrader,
} from '@libp2p/interface'
import { plaintext } from '@libp2p/plaintext'
import type { AbstractMultiaddrConnection } from '@libp2p/utils'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocols/ref.ts'
import type { Medium } from '../../src/net/medium.ts'
import type { Fabric, Place } from './fabric.ts'
import { wire } from './wire.ts'

interface Components {
  readonly peerId: PeerId
  readonly logger: ComponentLogger
}

/** What a node of this network is opened with. Without encryption: what is tried here lies above it. */
export function mediumOf(fabric: Fabric): Medium {
  return {
    component: 'memory',
    transport: (components) => new FabricTransport(fabric, components),
    encrypter: plaintext(),
  }
}

class FabricTransport implements Transport {
  readonly [transportSymbol] = true
  readonly [Symbol.toStringTag] = 'fabric'
  readonly [serviceCapabilities] = ['@libp2p/transport']
  readonly #fabric: Fabric
  readonly #components: Components

  constructor(fabric: Fabric, components: Components) {
    this.#fabric = fabric
    this.#components = components
  }

  async dial(target: Multiaddr, options: Parameters<Transport['dial']>[1]) {
    const { peerId, logger } = this.#components
    const from = peerId.toString()
    const place = await this.#fabric.reach(from, placeOf(target), options.signal)
    const log = logger.forComponent('fabric')
    const { dialler, listener, cut } = this.#fabric.add(from, place.node, (onClosed) =>
      wire(
        { direction: 'outbound', remoteAddr: target, log, ...this.#way(from, place.node) },
        { direction: 'inbound', remoteAddr: multiaddr('/memory/dialler'), log, ...this.#way(place.node, from) },
        onClosed,
      ),
    )
    place.accept(listener)
    try {
      return await options.upgrader.upgradeOutbound(dialler, options)
    } catch (error) {
      // What was refused or took too long is a connection no more, at neither end that hears of it.
      if (options.signal.aborted) dialler.abort(error as Error)
      else cut()
      throw error
    }
  }

  #way(from: NodeId, to: NodeId) {
    const fabric = this.#fabric
    return { fault: () => fabric.fault(from, to), onSent: (bytes: number) => fabric.noteSent(from, bytes) }
  }

  createListener({ upgrader }: { readonly upgrader: Upgrader }): Listener {
    return new FabricListener(this.#fabric, this.#components.peerId.toString(), upgrader)
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => address.getComponents()[0]?.name === 'memory')
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }
}

class FabricListener extends TypedEventEmitter<ListenerEvents> implements Listener, Place {
  readonly node: NodeId
  readonly #fabric: Fabric
  readonly #upgrader: Upgrader
  readonly #closing = new AbortController()
  #address: Multiaddr | undefined

  constructor(fabric: Fabric, node: NodeId, upgrader: Upgrader) {
    super()
    this.#fabric = fabric
    this.node = node
    this.#upgrader = upgrader
  }

  async listen(address: Multiaddr): Promise<void> {
    this.#fabric.listen(placeOf(address), this)
    this.#address = address
    queueMicrotask(() => this.safeDispatchEvent('listening'))
  }

  accept(connection: AbstractMultiaddrConnection): void {
    this.#upgrader.upgradeInbound(connection, { signal: this.#closing.signal }).catch((error: Error) => {
      connection.abort(error)
    })
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address]
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    if (this.#address !== undefined) this.#fabric.unlisten(placeOf(this.#address))
    this.#closing.abort()
    queueMicrotask(() => this.safeDispatchEvent('close'))
  }
}

/** The address without the peer that is expected there. */
function placeOf(address: Multiaddr): string {
  const parts = address.getComponents().filter(({ code }) => code !== CODE_P2P)
  return parts.map(({ name, value }) => `/${name}/${value}`).join('')
}
