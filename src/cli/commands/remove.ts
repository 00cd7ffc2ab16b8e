/** `omx-node rm NAME...`: removes models from every node in reach. */
import { findNode, type NodeOptions, send } from '../client.ts'
import { CommandError } from '../command-error.ts'
import { readModelName, unknownModel } from '../model-name.ts'
import type { Terminal } from '../terminal.ts'

/** One that cannot be removed keeps none of the others; what went wrong is said in the end. */
export async function remove(
  names: readonly string[],
  options: NodeOptions & { json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const models = names.map((name) => ({ name, shown: readModelName(name) }))
  const node = await findNode(options, terminal.env)
  const problems: string[] = []
  for (const { name, shown } of models) {
    try {
      await send(node, 'DELETE', '/api/delete', { model: name }).catch((error: unknown) => unknownModel(error))
      terminal.print(
        options.json === true ? `${JSON.stringify({ status: 'success', model: shown })}\n` : `Deleted ${shown}.\n`,
      )
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  if (problems.length > 0) throw new CommandError(problems.join('\n'))
}
