/** Where peers can be dialled: what they announce and where they were reached. Bounded; the longest unheard is forgotten. */
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocols/ref.ts'
import { maxRememberedAddresses, maxRememberedPeers } from './limits.ts'

const loopback = /^\/(ip4\/127\.|ip6\/::1\/)/

export class AddressBook {
  readonly #peers = new Map<NodeId, readonly string[]>()

  /** A dial to this address succeeded: it goes first. */
  reached(node: NodeId, address: Multiaddr): void {
    this.#remember(node, [withPeer(node, address), ...this.of(node)])
  }

  /**
   * The peer says where it listens. Its loopback addresses mean something only to who reaches it over loopback:
   * from elsewhere they name this host, and whoever listens here.
   */
  announced(node: NodeId, addresses: readonly Multiaddr[], seenAt: Multiaddr): void {
    const isLocal = loopback.test(seenAt.toString())
    const useful = addresses.map((address) => withPeer(node, address)).filter((text) => isLocal || !loopback.test(text))
    this.#remember(node, [...this.of(node), ...useful])
  }

  of(node: NodeId): string[] {
    return [...(this.#peers.get(node) ?? [])]
  }

  #remember(node: NodeId, addresses: readonly string[]): void {
    this.#peers.delete(node)
    this.#peers.set(node, [...new Set(addresses)].slice(0, maxRememberedAddresses))
    if (this.#peers.size <= maxRememberedPeers) return
    const [oldest] = this.#peers.keys()
    if (oldest !== undefined) this.#peers.delete(oldest)
  }
}

function withPeer(node: NodeId, address: Multiaddr): string {
  const text = address.toString()
  return text.includes('/p2p/') ? text : `${text}/p2p/${node}`
}
