/** `omx-node disk`: what the models of a node take of its disk, and what removing one would give back. */
import { DiskAnswer, operationsRoutes } from '../../../protocols/operations.ts'
import { findNode, getJson, type NodeOptions } from '../client.ts'
import { sizeText, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export async function disk(options: NodeOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
  const answer = await getJson(await findNode(options, terminal.env), operationsRoutes.disk, DiskAnswer)
  terminal.print(options.json === true ? `${JSON.stringify(answer)}\n` : describe(answer))
}

function describe({ folder, models, named, unnamed, unfinished, free }: DiskAnswer): string {
  const rows = table(models, [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'SIZE', cell: ({ size }) => sizeText(size), alignRight: true },
    { title: 'ALONE', cell: ({ alone }) => sizeText(alone), alignRight: true },
  ])
  const rest = [
    `${sizeText(named)} in models`,
    ...(unnamed > 0 ? [`${sizeText(unnamed)} that no model names`] : []),
    ...(unfinished > 0 ? [`${sizeText(unfinished)} that is not complete yet`] : []),
    `${sizeText(free)} free`,
  ]
  return `${models.length > 0 ? `${rows}\n` : ''}${folder}: ${rest.join(', ')}\n`
}
