/** `omx-node peers`: the other nodes, as this one sees them. */
import { operationsRoutes, PeersAnswer } from '../../../protocols/operations.ts'
import { findNode, getJson, type NodeOptions } from '../client.ts'
import { ageText, shortId, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export async function peers(options: NodeOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
  const answer = await getJson(await findNode(options, terminal.env), operationsRoutes.peers, PeersAnswer)
  if (options.json === true) terminal.print(`${JSON.stringify(answer)}\n`)
  else if (answer.peers.length === 0) terminal.print('No peers yet. Start another node with --join.\n')
  else terminal.print(describe(answer))
}

function describe({ peers }: PeersAnswer): string {
  return table(peers, [
    { title: 'NAME', cell: (peer) => peer.name || '?' },
    { title: 'NODE', cell: (peer) => shortId(peer.node) },
    { title: 'STATE', cell: (peer) => peer.state },
    { title: 'SINCE', cell: (peer) => ageText(peer.sinceMs), alignRight: true },
    { title: 'RTT', cell: (peer) => (peer.rttMs === null ? '-' : `${peer.rttMs.toFixed(1)} ms`), alignRight: true },
    {
      title: 'HEARD',
      cell: (peer) => (peer.lastSeenMs === null ? 'never' : `${ageText(peer.lastSeenMs)} ago`),
      alignRight: true,
    },
    { title: 'MODELS', cell: (peer) => String(peer.models), alignRight: true },
    { title: 'LOADED', cell: (peer) => String(peer.loaded), alignRight: true },
    { title: 'ACTIVE', cell: (peer) => String(peer.active), alignRight: true },
    { title: 'SOFTWARE', cell: (peer) => peer.software },
    { title: 'ADDRESS', cell: (peer) => peer.addresses[0] ?? '-' },
    { title: 'WHY', cell: (peer) => peer.reason },
  ])
}
