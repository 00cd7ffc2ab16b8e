/**
 * The supervisor's judgement with no effects in it: OTP's strategies, restart kinds and restart intensity, plus
 * exponential backoff with jitter as Akka's `restartWithBackoff` has it.
 */
import type { Exit } from '../../protocols/exit.ts'

/** permanent: always restarted; transient: only after a crash; temporary: never. */
export type Restart = 'permanent' | 'transient' | 'temporary'
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one'

export interface Policy {
  readonly strategy: Strategy
  /** More than this many restarts inside `periodMs` and the supervisor itself crashes. */
  readonly intensity: number
  readonly periodMs: number
  /** The n-th restart inside the period waits minMs × 2ⁿ, at most maxMs, ± jitter (a fraction). */
  readonly backoff: { readonly minMs: number; readonly maxMs: number; readonly jitter: number }
}

/** Five failures in half a minute are a bug or a broken host, not a hiccup; the first retry is barely noticed. */
export const defaultPolicy: Policy = {
  strategy: 'one_for_one',
  intensity: 5,
  periodMs: 30_000,
  backoff: { minMs: 50, maxMs: 10_000, jitter: 0.2 },
}

export type Verdict =
  | { readonly kind: 'forget' }
  | { readonly kind: 'escalate'; readonly restarts: number }
  | { readonly kind: 'restart'; readonly ids: readonly string[]; readonly afterMs: number }

/** One child's end, as its supervisor sees it. */
export interface Case {
  readonly policy: Policy
  /** All children in start order. */
  readonly order: readonly string[]
  readonly failed: string
  readonly restart: Restart
  readonly exit: Exit
  /** Times of past restarts under this supervisor, oldest first. */
  readonly history: readonly number[]
  readonly nowMs: number
  /** One draw in [0, 1) for the jitter. */
  readonly chance: number
}

/** Decides what happens after a child ended; the new history comes back with the verdict. */
export function judge(c: Case): { verdict: Verdict; history: number[] } {
  const recent = c.history.filter((atMs) => c.nowMs - atMs < c.policy.periodMs)
  if (!isRestartWanted(c.restart, c.exit)) return { verdict: { kind: 'forget' }, history: recent }
  if (recent.length >= c.policy.intensity) {
    return { verdict: { kind: 'escalate', restarts: recent.length }, history: recent }
  }
  const { minMs, maxMs, jitter } = c.policy.backoff
  const afterMs = Math.min(maxMs, minMs * 2 ** recent.length) * (1 + jitter * (c.chance * 2 - 1))
  return { verdict: { kind: 'restart', ids: affected(c), afterMs }, history: [...recent, c.nowMs] }
}

function isRestartWanted(restart: Restart, exit: Exit): boolean {
  if (restart === 'permanent') return exit.kind !== 'shutdown'
  return restart === 'transient' && exit.kind === 'crash'
}

function affected(c: Case): readonly string[] {
  if (c.policy.strategy === 'one_for_one') return [c.failed]
  if (c.policy.strategy === 'one_for_all') return c.order
  return c.order.slice(c.order.indexOf(c.failed))
}
