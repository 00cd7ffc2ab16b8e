/** `omx-node show NAME`: what is known of a model, or one part of it as it is. */
import { findNode, type NodeOptions } from '../client.ts'
import { readModelName, unknownModel } from '../model-name.ts'
import { describeModel, showModel } from '../shown-model.ts'
import type { Terminal } from '../terminal.ts'

/** What can be asked for alone: a flag and a field of the answer. */
export const shownParts = ['modelfile', 'license', 'parameters', 'system', 'template'] as const

export interface ShowOptions extends NodeOptions, Partial<Record<(typeof shownParts)[number], boolean>> {
  readonly verbose?: boolean
  readonly json?: boolean
}

export async function show(name: string, options: ShowOptions, terminal: Terminal): Promise<void> {
  const shownName = readModelName(name)
  const { verbose = false, json = false } = options
  const node = await findNode(options, terminal.env)
  const next = `Pull it first: omx-node pull ${shownName}`
  const shown = await showModel(node, name, verbose).catch((error: unknown) => unknownModel(error, next))
  const part = shownParts.find((candidate) => options[candidate] === true)
  if (part === undefined) terminal.print(json ? `${JSON.stringify(shown)}\n` : describeModel(shown, verbose))
  else if (json) terminal.print(`${JSON.stringify({ [part]: shown[part] ?? '' })}\n`)
  else terminal.print(`${(shown[part] ?? '').replace(/\n$/, '')}\n`)
}
