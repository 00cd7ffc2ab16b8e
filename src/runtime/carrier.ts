/** How frames leave this node. `src/net/link.ts` implements it over libp2p, the simulator over a seeded network. */
import type { NodeId } from '../../protocols/ref.ts'

export interface Carrier {
  /**
   * Queues one encoded frame of `/omx/actor/1` for a peer, in order.
   * False: surely not sent (no such peer, no link, outbox full). True promises nothing.
   */
  send(node: NodeId, frame: Uint8Array): boolean
}
