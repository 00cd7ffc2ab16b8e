/** Work that a node does and tells step by step: pulls, pushes, the making of models. */
import { type Static, Type } from 'typebox'
import { CommandError } from './command-error.ts'
import { startProgress } from './progress.ts'
import type { Terminal } from './terminal.ts'

const Bytes = Type.Optional(Type.Integer({ minimum: 0 }))

export const StepLine = Type.Object({
  status: Type.String(),
  digest: Type.Optional(Type.String()),
  total: Bytes,
  completed: Bytes,
})
export type StepLine = Static<typeof StepLine>

/** Resolves when the work has succeeded. Prints its lines as JSON, or shows them beside the answer. Throws a CommandError. */
export async function followSteps(lines: AsyncIterable<StepLine>, json: boolean, terminal: Terminal): Promise<void> {
  const progress = startProgress(terminal)
  let last = ''
  try {
    for await (const line of lines) {
      last = line.status
      if (json) terminal.print(`${JSON.stringify(line)}\n`)
      else if (last !== 'success') progress.show(line)
    }
  } finally {
    progress.end()
  }
  if (last !== 'success') throw new CommandError('The node ended the work without a result: try it again.')
}
