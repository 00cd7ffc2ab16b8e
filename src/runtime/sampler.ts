/** What may happen thousands of times a second is told once per span, with how often it happened. */

/** Kinds that are counted apart; beyond it they share one count. */
const maxKinds = 256

export type Sampled = (kind: string, tell: (count: number) => void) => void

/** Calls `tell` at most once per kind and span, with how often the kind occurred since the last call. */
export function sampler(spanMs: number, nowMs: () => number): Sampled {
  const kinds = new Map<string, { count: number; toldMs: number }>()
  return (kind, tell) => {
    const key = kinds.has(kind) || kinds.size < maxKinds ? kind : ''
    const known = kinds.get(key) ?? { count: 0, toldMs: Number.NEGATIVE_INFINITY }
    known.count++
    kinds.set(key, known)
    if (nowMs() - known.toldMs < spanMs) return
    tell(known.count)
    known.count = 0
    known.toldMs = nowMs()
  }
}
