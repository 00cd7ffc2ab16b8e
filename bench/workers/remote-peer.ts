/** A node that answers what another process's node says to it: prints nothing, tells its addresses, learns its peer. */
import { openLinkedNode, spawnCountingPeer } from '../support/linked-node.ts'

process.on('disconnect', () => process.exit())
const node = await openLinkedNode()
process.on('message', ({ peer }: { readonly peer: string }) => {
  spawnCountingPeer(node, peer)
  process.send?.({})
})
process.send?.({ addresses: node.host.addresses() })
