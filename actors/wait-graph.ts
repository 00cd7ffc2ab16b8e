/** Finds actors that wait for each other's answers, on one node or over several: a pure reading of their snapshots. */
import { type NodeId, nodeOf, type Ref, refOf } from '../protocols/ref.ts'
import type { OpenAsk, OwedAnswer } from '../src/runtime/asks.ts'

/**
 * An actor may answer while it waits itself, so a young circle is no proof. One in which nobody has answered for this
 * long, over a network too, is told.
 */
const deadlockAfterMs = 1000

/** Who waits for whom on one node, read at one moment. */
export interface NodeWaits {
  readonly node: NodeId
  readonly asks: readonly OpenAsk[]
  readonly owed: readonly OwedAnswer[]
}

/** One actor of a circle waits for the next one. */
export interface Wait {
  readonly asker: Ref
  readonly asked: Ref
  readonly type: string
  readonly ageMs: number
  readonly leftMs: number
}

/**
 * Every circle once, beginning with its longest wait. An ask counts when the node that was asked says that one of its
 * actors owes the answer, and that actor is who is waited for: a question may have been forwarded. Both ends saw such an
 * ask open, so that snapshots of different moments make up no circle that never was.
 */
export function findDeadlocks(nodes: readonly NodeWaits[]): Wait[][] {
  const graph = waitsByAsker(nodes)
  const found: Wait[][] = []
  const finished = new Set<Ref>()
  for (const start of graph.keys()) search(start, graph, finished, found)
  return found
}

/** The other nodes that somebody there has waited for long enough. */
export function nodesWaitedFor({ node, asks }: NodeWaits): NodeId[] {
  const long = asks.filter(({ asker, ageMs }) => asker !== null && ageMs >= deadlockAfterMs)
  return long.map(({ asked }) => nodeOf(asked)).filter((other) => other !== node)
}

/** Depth first without recursion, so that a long chain of waits costs no stack. */
function search(start: Ref, graph: ReadonlyMap<Ref, readonly Wait[]>, finished: Set<Ref>, found: Wait[][]): void {
  const trail: Wait[] = []
  const places = new Map<Ref, number>()
  const open = [{ actor: start, next: 0 }]
  if (finished.has(start)) return
  places.set(start, 0)
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const wait = graph.get(top.actor)?.[top.next++]
    if (wait === undefined) {
      finished.add(top.actor)
      places.delete(top.actor)
      open.pop()
      trail.pop()
      continue
    }
    const place = places.get(wait.asked)
    if (place !== undefined) found.push(longestFirst([...trail.slice(place), wait]))
    else if (!finished.has(wait.asked)) {
      places.set(wait.asked, open.length)
      open.push({ actor: wait.asked, next: 0 })
      trail.push(wait)
    }
  }
}

function waitsByAsker(nodes: readonly NodeWaits[]): Map<Ref, Wait[]> {
  const owing = new Map<Ref, Ref>()
  for (const { node, owed } of nodes) for (const { ask, by } of owed) owing.set(`${node} ${ask}`, refOf(node, by))
  const graph = new Map<Ref, Wait[]>()
  for (const { node, asks } of nodes) {
    for (const { ask, asker, asked, type, ageMs, leftMs } of asks) {
      const by = owing.get(`${nodeOf(asked)} ${ask}`)
      if (asker === null || by === undefined || ageMs < deadlockAfterMs) continue
      const from = refOf(node, asker)
      const waits = graph.get(from) ?? []
      if (!waits.some((wait) => wait.asked === by)) waits.push({ asker: from, asked: by, type, ageMs, leftMs })
      graph.set(from, waits)
    }
  }
  return graph
}

function longestFirst(circle: readonly Wait[]): Wait[] {
  const longest = circle.reduce((best, { ageMs }, index) => (ageMs > (circle[best]?.ageMs ?? 0) ? index : best), 0)
  return [...circle.slice(longest), ...circle.slice(0, longest)]
}
