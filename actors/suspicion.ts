/**
 * How long a silence may last, and how much this node may trust its own ears. The score is Lifeguard's local health:
 * it rises when this node itself is slow or cut off, and all patience grows with it, so that a starved node accuses nobody.
 */

/** How often each side of a full mesh says that it is alive, and each round of any probing. */
export const heartbeatMs = 500
/** A timer that fires this late says more about us than about the peer. */
export const starvedMs = 300
/** Silence after which a peer in a full mesh gets no new work: four heartbeats. */
const suspectAfterMs = 2000
/** The same for a peer that was silent by agreement until it was probed: two probes and the first round of questions. */
const suspectAfterProbeMs = 1000
/** From suspect to unreachable, while this node is healthy: 4.5 s after the last heartbeat at the latest. The promise is 5. */
const suspicionMs = 2000
/** Heard by somebody within two heartbeats is alive. */
export const heardLatelyMs = 2 * heartbeatMs
const maxScore = 8

/** How a cluster listens: everybody to everybody, or each to a few at a time (SWIM). */
export type Pace = 'mesh' | 'swim'

/** Nodes that may all talk to each other every half second; the gap below keeps a cluster of that size from changing its mind. */
const maxMeshNodes = 64
const minSwimNodes = 48

/** The pace for so many live nodes, this one included. */
export function paceFor(liveNodes: number, pace: Pace): Pace {
  if (liveNodes > maxMeshNodes) return 'swim'
  return liveNodes < minSwimNodes ? 'mesh' : pace
}

/** Patience before a silent peer becomes suspect. */
export const silenceLimitMs = (pace: Pace): number => (pace === 'mesh' ? suspectAfterMs : suspectAfterProbeMs)

/** Silence after which a peer that nobody else has heard is accused. */
export const accusationMs = (pace: Pace, score: number): number => silenceLimitMs(pace) + suspicionMs * (1 + score)

/** The score after this node's own timer fired so late: one that is in time is a success. */
export function scoreAfterTick(score: number, lateMs: number): number {
  return lateMs > starvedMs ? raised(score, 1 + Math.floor(lateMs / 1000)) : Math.max(0, score - 1)
}

/** The score after a failure that may be our own: nobody answered us, or somebody suspected us. */
export const raised = (score: number, by = 1): number => Math.min(maxScore, score + by)
