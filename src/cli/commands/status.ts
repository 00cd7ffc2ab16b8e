/** `omx-node status`: one node at a glance. */
import { operationsRoutes, StatusAnswer } from '../../../protocols/operations.ts'
import { findNode, getJson, type NodeOptions } from '../client.ts'
import { ageText, fields } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export async function status(options: NodeOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
  const answer = await getJson(await findNode(options, terminal.env), operationsRoutes.status, StatusAnswer)
  terminal.print(options.json === true ? `${JSON.stringify(answer)}\n` : describe(answer))
}

function describe(answer: StatusAnswer): string {
  const { peers, tasks } = answer
  return fields([
    ['name', answer.name],
    ['node', answer.node],
    ['state', `${answer.state} for ${ageText(answer.uptimeMs)}`],
    ['version', answer.version],
    ['api', answer.api],
    ...answer.p2p.map((address, index) => [index === 0 ? 'p2p' : '', address] as const),
    ['peers', `${peers.healthy} healthy of ${peers.total}`],
    ['models', `${answer.models} on disk, ${answer.loaded} loaded`],
    ['requests', `${tasks.active} active, ${tasks.queued} queued`],
  ])
}
