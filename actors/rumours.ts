/** Claims on their way to everybody: each is handed on a bounded number of times, the least told ones first. */
import type { NodeId } from '../protocols/ref.ts'
import type { Claim } from './claims.ts'

/** Claims in one message: with a peer id of 52 characters each, about 1.5 KB. */
export const maxRumoursPerMessage = 16
/** Claims that wait; beyond it the most told go first. Half of the largest cluster may fail at once. */
const maxRumours = 512
/** Tellings per doubling of the cluster: SWIM's factor, at which practically nobody is left out. */
const tellingsPerDoubling = 3

interface Rumour {
  readonly claim: Claim
  readonly told: number
}

/** By node: a newer claim about the same node replaces the older one. */
export type Rumours = ReadonlyMap<NodeId, Rumour>

export const noRumours: Rumours = new Map()

/** With new claims to spread. */
export function withRumours(rumours: Rumours, claims: readonly Claim[]): Rumours {
  const all = new Map(rumours)
  for (const claim of claims) all.set(claim.node, { claim, told: 0 })
  return new Map(
    leastTold(all)
      .slice(0, maxRumours)
      .map((rumour) => [rumour.claim.node, rumour]),
  )
}

/** What the next message carries. */
export function nextRumours(rumours: Rumours): Claim[] {
  return leastTold(rumours)
    .slice(0, maxRumoursPerMessage)
    .map(({ claim }) => claim)
}

/** After these claims were sent to `receivers` nodes of a cluster of `nodes`: told often enough is told. */
export function withTold(rumours: Rumours, claims: readonly Claim[], receivers: number, nodes: number): Rumours {
  const enough = tellingsPerDoubling * Math.ceil(Math.log2(nodes + 1))
  const left = new Map(rumours)
  for (const claim of claims) {
    const told = (left.get(claim.node)?.told ?? 0) + receivers
    if (told >= enough) left.delete(claim.node)
    else left.set(claim.node, { claim, told })
  }
  return left
}

const leastTold = (rumours: Rumours): Rumour[] => [...rumours.values()].toSorted((a, b) => a.told - b.told)
