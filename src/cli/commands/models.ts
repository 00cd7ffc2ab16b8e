/** `omx-node models`: every model version in the cluster and who holds it. */
import { ModelsAnswer, operationsRoutes } from '../../../protocols/operations.ts'
import { findNode, getJson, type NodeOptions } from '../client.ts'
import { shortDigest, sizeText, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export async function models(options: NodeOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
  const answer = await getJson(await findNode(options, terminal.env), operationsRoutes.models, ModelsAnswer)
  if (options.json === true) terminal.print(`${JSON.stringify(answer)}\n`)
  else if (answer.models.length === 0)
    terminal.print('No models yet. Pull one: omx-node pull NAME. Or add a file: omx-node import NAME FILE.gguf\n')
  else terminal.print(describe(answer))
}

function describe({ models }: ModelsAnswer): string {
  return table(models, [
    { title: 'NAME', cell: (model) => model.name },
    { title: 'VERSION', cell: (model) => shortDigest(model.digest) },
    { title: 'SIZE', cell: (model) => sizeText(model.size), alignRight: true },
    {
      title: 'HELD BY',
      cell: ({ holders }) => holders.map(({ name, loaded }) => (loaded ? `${name} (loaded)` : name)).join(', '),
    },
  ])
}
