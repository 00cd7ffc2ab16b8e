/**
 * Placement: in which order the holders of a model are tried. Computed, not decreed: every entry node ranks for itself
 * from what it last heard and from its own outstanding work; a worker may still refuse, and the next is tried.
 */
import type { NodeId } from '../protocols/ref.ts'

/** For each slot one request that runs and two that wait there: the worker never idles between two of ours. */
export const windowPerSlot = 3

/**
 * Entry nodes whose windows an engine has room for. With room for one alone, a holder whose own clients never let up would
 * leave the other nodes' nothing: they come in where those wait, in order of arrival.
 */
const windowsPerEngine = 8

/** Requests that may wait in an engine with so many slots. */
export const maxWaitingFor = (slots: number): number => slots * (windowPerSlot * windowsPerEngine - 1)

/** A holder of the model as the entry node sees it. */
export interface Candidate {
  readonly node: NodeId
  readonly local: boolean
  /** Requests that this entry node has there and has not seen the end of. */
  readonly outstanding: number
  /** Of these, those for the model itself: only they can fill its queue there. */
  readonly ofModel: number
  /** Requests that the holder last reported for this model, from anywhere. */
  readonly reported: number
  /** Requests for the model that this entry node sends there before the others wait here. */
  readonly window: number
}

/** Those who may be sent one more request. */
export const unsaturated = (candidates: readonly Candidate[]): Candidate[] =>
  candidates.filter(({ ofModel, window }) => ofModel < window)

/** One line of a plan: who, with what load, and why in this place. */
export interface Placement {
  readonly node: NodeId
  readonly load: number
  readonly reason: string
}

/** A strategy orders candidates; `draw` gives numbers in [0, 1). */
export interface Strategy {
  readonly name: string
  rank(candidates: readonly Candidate[], draw: () => number): Placement[]
}

/** What we know is more recent than what was reported; what was reported includes others. */
const loadOf = (candidate: Candidate): number => Math.max(candidate.outstanding, candidate.reported)

/**
 * Least connections with two choices (Mitzenmacher 2001): the better of two random holders goes first, so that entry
 * nodes with the same stale reports do not all rush to the same one; the rest follow by load. This node goes first
 * whenever no holder has less to do.
 */
export const leastConnections: Strategy = {
  name: 'least-connections',
  rank(candidates, draw) {
    const sorted = shuffle(candidates, draw).toSorted(
      (a, b) => loadOf(a) - loadOf(b) || Number(b.local) - Number(a.local),
    )
    const least = sorted[0]
    if (least === undefined) return []
    const first = least.local ? least : betterOfTwo(sorted, draw)
    const reason = least.local ? 'local, and no holder has less to do' : 'the less loaded of two random holders'
    return [
      { node: first.node, load: loadOf(first), reason },
      ...sorted
        .filter((other) => other !== first)
        .map((other) => ({ node: other.node, load: loadOf(other), reason: 'next by load' })),
    ]
  },
}

/** Expects candidates sorted by load: the one that comes first is the better. */
function betterOfTwo(sorted: readonly Candidate[], draw: () => number): Candidate {
  const one = Math.floor(draw() * sorted.length)
  const other = (one + 1 + Math.floor(draw() * (sorted.length - 1))) % sorted.length
  return sorted[Math.min(one, other)] as Candidate
}

function shuffle(candidates: readonly Candidate[], draw: () => number): Candidate[] {
  const shuffled = [...candidates]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1))
    ;[shuffled[i], shuffled[j]] = [shuffled[j] as Candidate, shuffled[i] as Candidate]
  }
  return shuffled
}
