/** Draws a supervision tree: one line an actor, what it is doing beside it. */
import type { InspectAnswer } from '../../protocols/operations.ts'
import { printable } from './table.ts'

type Actor = InspectAnswer['actors'][number]

interface Branch {
  readonly actor: Actor
  readonly children: Branch[]
}

interface Line {
  readonly label: string
  readonly actor: Actor
}

/** The tree as text, with the state, and mailbox depth, restarts and last exit where there is something to say. */
export function drawTree({ node, name, actors }: InspectAnswer): string {
  const roots = grow(actors)
  const lines = roots.flatMap((root, index) => draw(root, '', index === roots.length - 1, ''))
  const width = Math.max(0, ...lines.map(({ label }) => label.length))
  const stateWidth = Math.max(0, ...actors.map(({ state }) => printable(state).length))
  const rows = lines.map(({ label, actor }) => {
    const text = `${label.padEnd(width)}  ${printable(actor.state).padEnd(stateWidth)}  ${remarks(actor)}`
    return `${text.trimEnd()}\n`
  })
  return `${printable(name)} (${printable(node)})\n${rows.join('')}`
}

/** Each actor below the nearest ancestor that is listed. */
function grow(actors: readonly Actor[]): Branch[] {
  const branches = new Map(actors.map((actor) => [actor.path, { actor, children: [] as Branch[] }]))
  const roots: Branch[] = []
  for (const branch of branches.values()) {
    const siblings = parentOf(branch.actor.path, branches)?.children ?? roots
    siblings.push(branch)
  }
  return roots
}

function parentOf(path: string, branches: ReadonlyMap<string, Branch>): Branch | undefined {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = branches.get(path.slice(0, slash))
    if (parent !== undefined) return parent
  }
  return path === '' ? undefined : branches.get('')
}

function draw({ actor, children }: Branch, indent: string, last: boolean, parentPath: string): Line[] {
  const shown = parentPath === '' ? actor.path : actor.path.slice(parentPath.length + 1)
  const label = `${indent}${last ? '└─' : '├─'} ${printable(shown === '' ? 'node' : shown)}`
  const below = `${indent}${last ? '   ' : '│  '}`
  return [
    { label, actor },
    ...children.flatMap((child, index) => draw(child, below, index === children.length - 1, actor.path)),
  ]
}

function remarks({ waiting, restarts, lastExit }: Actor): string {
  return [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(restarts > 0 ? [`${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`] : []),
    ...(lastExit === null ? [] : [`last exit: ${printable(lastExit)}`]),
  ].join(', ')
}
