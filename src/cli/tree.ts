/** Draws a supervision tree: one line an actor, what it is doing beside it. */
import type { InspectAnswer } from '../../protocols/operations.ts'
import { rateText, secondsBetween } from './counters.ts'
import { printable, spanText } from './table.ts'
import { nameOf } from './waits.ts'

/** A handler that held all others up for so long is worth a word. */
const slowMs = 20

type Actor = InspectAnswer['actors'][number]

interface Branch {
  readonly actor: Actor
  readonly children: Branch[]
}

interface Line {
  readonly label: string
  readonly actor: Actor
}

/**
 * The tree as text: the state, and beside it what passes through the mailbox (totals, or rates since `before`), what the
 * actor waits for, restarts and last exit, where there is something to say.
 */
export function drawTree(answer: InspectAnswer, before?: InspectAnswer): string {
  const { node, name, actors } = answer
  const remark = remarker(answer, before)
  const roots = grow(actors)
  const lines = roots.flatMap((root, index) => draw(root, '', index === roots.length - 1, ''))
  const width = Math.max(0, ...lines.map(({ label }) => label.length))
  const stateWidth = Math.max(0, ...actors.map(({ state }) => printable(state).length))
  const rows = lines.map(({ label, actor }) => {
    const text = `${label.padEnd(width)}  ${printable(actor.state).padEnd(stateWidth)}  ${remark(actor)}`
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

function remarker(answer: InspectAnswer, before: InspectAnswer | undefined): (actor: Actor) => string {
  const seconds = secondsBetween(answer, before)
  const earlier = new Map(before?.actors.map((actor) => [actor.path, actor]))
  const asks = Map.groupBy(answer.asks ?? [], ({ asker }) => asker)
  return (actor) => {
    const { path, waiting, oldestMs, restarts, lastExit } = actor
    const age = typeof oldestMs === 'number' ? ` for ${spanText(oldestMs)}` : ''
    const waits = (asks.get(path) ?? []).map(({ asked, type, ageMs }) => {
      return `asks ${nameOf(asked, answer.node)} (${printable(type)}, ${spanText(ageMs)})`
    })
    return [
      ...(waiting > 0 ? [`${waiting} waiting${age}`] : []),
      ...traffic(actor, earlier.get(path), seconds),
      ...waits,
      ...work(actor),
      ...(restarts > 0 ? [`${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`] : []),
      ...(lastExit === null ? [] : [`last exit: ${printable(lastExit)}`]),
    ].join(', ')
  }
}

/** What was handled and refused: a rate once there are two readings of the same address, until then in all. */
function traffic({ born, handled = 0, refused = 0 }: Actor, earlier: Actor | undefined, seconds: number | undefined) {
  const rates = seconds !== undefined && earlier !== undefined && earlier.born === born
  const handledText = rates ? rateText(handled, earlier.handled ?? 0, seconds) : `${handled} handled`
  return [...(handled > 0 ? [handledText] : []), ...(refused > 0 ? [`${refused} refused`] : [])]
}

/** What it is at, and for how long. */
function work({ owes = 0, longestMs, runs = [] }: Actor): string[] {
  return [
    ...runs.map(({ name, forMs }) => `runs ${printable(name)} for ${spanText(forMs)}`),
    ...(owes > 0 ? [`owes ${owes} ${owes === 1 ? 'answer' : 'answers'}`] : []),
    ...(typeof longestMs === 'number' && longestMs >= slowMs ? [`once took ${spanText(longestMs)}`] : []),
  ]
}
