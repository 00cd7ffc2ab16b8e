/** Text for people about asks: who waits for whom, and what a circle of waits means. */
import type { InspectAnswer } from '../../protocols/operations.ts'
import { nodeOf, pathOf } from '../../protocols/ref.ts'
import { printable, shortId, spanText } from './table.ts'

type Deadlock = NonNullable<InspectAnswer['deadlocks']>[number]

/** A path of the node that is looked at, or another node's with its id in front. */
export function nameOf(ref: string, node: string): string {
  return printable(nodeOf(ref) === node ? pathOf(ref) : `${shortId(nodeOf(ref))}/${pathOf(ref)}`)
}

/** Each circle in a sentence, and what to do. '' where there is none. `peer`: how the node was named, if it is another. */
export function describeDeadlocks({ node, deadlocks = [] }: InspectAnswer, peer?: string): string {
  const inspect = peer === undefined ? 'omx-node inspect' : `omx-node inspect --peer ${peer}`
  return deadlocks.map((waits) => describe(waits, node, inspect)).join('')
}

function describe(waits: Deadlock, node: string, inspect: string): string {
  const links = waits.map(({ asker, asked, type, ageMs }) => {
    return `${nameOf(asker, node)} waits for ${nameOf(asked, node)} (${printable(type)}, ${spanText(ageMs)})`
  })
  const leftMs = Math.min(...waits.map((wait) => wait.leftMs))
  const near = waits.find(({ asker }) => nodeOf(asker) === node)?.asker
  const look = near === undefined ? '' : ` Watch it with: ${inspect} --follow ${nameOf(near, node)}.`
  return (
    `deadlock: ${links.join(', ')}\n` +
    `  The first of these asks times out in ${spanText(leftMs)}.${look} One of them must answer before it asks.\n`
  )
}
