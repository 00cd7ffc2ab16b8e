/** `omx-node ps`: which models are in the memory of any node. */
import { type Static, Type } from 'typebox'
import { findNode, getJson, type NodeOptions } from '../client.ts'
import { ageText, shortDigest, sizeText, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

const LoadedModel = Type.Object({
  name: Type.String(),
  digest: Type.String(),
  /** In all, and of that on GPUs; bytes. */
  size: Type.Number(),
  size_vram: Type.Number(),
  expires_at: Type.String(),
  context_length: Type.Optional(Type.Number()),
})
type LoadedModel = Static<typeof LoadedModel>

const LoadedAnswer = Type.Object({ models: Type.Array(LoadedModel) })

/** A time that is further away is how the API writes "never". */
const foreverMs = 20 * 365 * 86_400_000

export async function ps(options: NodeOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
  const answer = await getJson(await findNode(options, terminal.env), '/api/ps', LoadedAnswer)
  if (options.json === true) terminal.print(`${JSON.stringify(answer)}\n`)
  else if (answer.models.length === 0) terminal.print('No model is loaded. Load one: omx-node run NAME\n')
  else terminal.print(describe(answer.models, Date.now()))
}

/** @param nowMs milliseconds since 1970 */
function describe(models: readonly LoadedModel[], nowMs: number): string {
  return table(models, [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'VERSION', cell: ({ digest }) => shortDigest(digest) },
    { title: 'SIZE', cell: ({ size }) => sizeText(size), alignRight: true },
    { title: 'PROCESSOR', cell: processorText },
    { title: 'CONTEXT', cell: (model) => String(model.context_length ?? '-'), alignRight: true },
    { title: 'UNTIL', cell: (model) => untilText(Date.parse(model.expires_at) - nowMs) },
  ])
}

function processorText({ size, size_vram: gpu }: LoadedModel): string {
  if (gpu <= 0) return '100% CPU'
  if (gpu >= size) return '100% GPU'
  const cpuPercent = Math.round(((size - gpu) / size) * 100)
  return `${cpuPercent}%/${100 - cpuPercent}% CPU/GPU`
}

function untilText(leftMs: number): string {
  if (leftMs > foreverMs) return 'Forever'
  return leftMs > 0 ? `${ageText(leftMs)} from now` : 'Stopping...'
}
