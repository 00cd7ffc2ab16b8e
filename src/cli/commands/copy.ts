/** `omx-node cp SOURCE DESTINATION`: another name for a model, wherever it is held. */
import { findNode, type NodeOptions, send } from '../client.ts'
import { readModelName, unknownModel } from '../model-name.ts'
import type { Terminal } from '../terminal.ts'

export async function copy(
  source: string,
  destination: string,
  options: NodeOptions & { json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const copied = { source: readModelName(source), destination: readModelName(destination) }
  const node = await findNode(options, terminal.env)
  await send(node, 'POST', '/api/copy', { source, destination }).catch((error: unknown) => unknownModel(error))
  if (options.json === true) terminal.print(`${JSON.stringify({ status: 'success', ...copied })}\n`)
  else terminal.print(`Copied ${copied.source} to ${copied.destination}.\n`)
}
