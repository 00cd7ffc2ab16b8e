/**
 * A node that answers what another process's node says to it, and what returns bytes with less than a node between:
 * prints nothing, tells its addresses, learns its peer.
 */
import type { Host } from '../../src/net/host.ts'
import { echoing } from '../support/echo.ts'
import { openBareHost, openLinkedNode, spawnCountingPeer } from '../support/linked-node.ts'

/** Where it is reached. */
export interface RemotePeer {
  readonly addresses: readonly string[]
  /** Ports of sockets that echo, and the addresses of a host that does. */
  readonly floors: { readonly tcp: number; readonly tls: number; readonly bare: readonly string[] }
}

process.on('disconnect', () => process.exit())
const node = await openLinkedNode()
process.on('message', ({ peer }: { readonly peer: string }) => {
  spawnCountingPeer(node, peer)
  process.send?.({})
})
const bare: Host = await openBareHost((from, body) => void bare.carrier.send(from, body))
const floors = { tcp: await echoing('tcp'), tls: await echoing('tls'), bare: bare.addresses() }
process.send?.({ addresses: node.host.addresses(), floors } satisfies RemotePeer)
