/**
 * What nodes say about nodes: a claim is one node's incarnation and how it fares. Only the node itself raises its
 * incarnation, so that a younger claim is always its own word against older ones. `merge` is the one rule by which
 * two claims become one; it is a semilattice, so that the order and the number of tellings do not matter.
 */
import type { NodeId } from '../protocols/ref.ts'

export type ClaimStatus = 'alive' | 'suspect' | 'unreachable' | 'departed'

export interface Claim {
  readonly node: NodeId
  readonly incarnation: number
  readonly status: ClaimStatus
}

/** At one incarnation the graver claim counts: only a higher incarnation refutes it. */
const gravity: Readonly<Record<ClaimStatus, number>> = { alive: 0, suspect: 1, unreachable: 2, departed: 3 }

/** Whether the claim says more than what is known of the same node. */
export function supersedes(claim: Claim, known: Claim | undefined): boolean {
  if (known === undefined || claim.incarnation > known.incarnation) return true
  return claim.incarnation === known.incarnation && gravity[claim.status] > gravity[known.status]
}

/** What is known of one node after two claims about it. */
export const merge = (a: Claim, b: Claim): Claim => (supersedes(b, a) ? b : a)

/** Whether the claim says that its node does not answer. */
export const accuses = ({ status }: Claim): boolean => status !== 'alive'

/** Whether others need to hear of the change: an accusation, or the end of one. Who merely lives tells everybody itself. */
export function isRumour(claim: Claim, known: Claim | undefined): boolean {
  return accuses(claim) || (known !== undefined && accuses(known))
}

/** What two nodes compare before they exchange rows: the same for the same claims and versions, in any order. */
export function fingerprint(rows: Iterable<Claim & { readonly version: number }>): string {
  let high = 0
  let low = 0
  for (const { node, incarnation, status, version } of rows) {
    const text = `${node} ${incarnation} ${status} ${version}`
    high ^= hash(text, 0x811c9dc5)
    low ^= hash(text, 0x2a3b4c5d)
  }
  return `${(high >>> 0).toString(16)}-${(low >>> 0).toString(16)}`
}

/** FNV-1a with a last mixing, so that rows of equal length differ in every bit. */
function hash(text: string, seed: number): number {
  let value = seed
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return value ^ (value >>> 13)
}
