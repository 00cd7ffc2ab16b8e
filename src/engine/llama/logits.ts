/**
 * Sampling from all logits of a token, for answers whose probabilities are wanted: llama.cpp's own sampler tells only
 * what is left after temperature and truncation. The same steps in the same order as there: penalties, top k, top p,
 * min p, temperature, draw.
 */
import type { SamplingOptions } from '../../../protocols/infer.ts'

/** Every token of the vocabulary, likeliest first. */
export type Logits = ReadonlyMap<number, number>

interface Candidate {
  readonly token: number
  readonly logit: number
}

/** ln Σ exp(logit): what turns a logit into the logarithm of its probability. The first entry is the largest. */
export function logNormalizer(logits: Logits): number {
  const [most = 0] = logits.values()
  let sum = 0
  for (const logit of logits.values()) sum += Math.exp(logit - most)
  return most + Math.log(sum)
}

/**
 * @param recent the tokens that penalties count, `repeat_last_n` of them
 * @param draw uniform in [0, 1)
 */
export function sampleToken(
  logits: Logits,
  sampling: SamplingOptions,
  recent: readonly number[],
  draw: () => number,
): number {
  const candidates = penalised(logits, sampling, recent)
  const first = candidates[0]
  if (first === undefined) throw new Error('the model gave no logits')
  if (sampling.temperature <= 0) return first.token
  return drawn(truncated(candidates, sampling), sampling.temperature, draw).token
}

/** Likeliest first. */
function penalised(logits: Logits, sampling: SamplingOptions, recent: readonly number[]): Candidate[] {
  const { repeat_penalty, presence_penalty, frequency_penalty } = sampling
  const isPenalised = repeat_penalty !== 1 || presence_penalty !== 0 || frequency_penalty !== 0
  const candidates = Array.from(logits, ([token, logit]) => ({ token, logit }))
  if (!isPenalised || recent.length === 0) return candidates
  const counts = new Map<number, number>()
  for (const token of recent) counts.set(token, (counts.get(token) ?? 0) + 1)
  return candidates
    .map(({ token, logit }) => {
      const count = counts.get(token)
      if (count === undefined) return { token, logit }
      const repeated = logit <= 0 ? logit * repeat_penalty : logit / repeat_penalty
      return { token, logit: repeated - count * frequency_penalty - presence_penalty }
    })
    .sort((a, b) => b.logit - a.logit)
}

function truncated(candidates: readonly Candidate[], { top_k, top_p, min_p }: SamplingOptions): readonly Candidate[] {
  const best = top_k > 0 ? candidates.slice(0, top_k) : candidates
  const shares = sharesOf(best, 1)
  let sum = 0
  let count = 0
  while (count < best.length && sum < top_p) sum += shares[count++] as number
  const least = (shares[0] as number) * min_p
  const kept = best.slice(0, Math.max(1, top_p >= 1 ? best.length : count))
  return kept.filter((_, at) => at === 0 || (shares[at] as number) >= least)
}

/** Probabilities of candidates among themselves. */
function sharesOf(candidates: readonly Candidate[], temperature: number): number[] {
  const most = candidates[0]?.logit ?? 0
  const weights = candidates.map(({ logit }) => Math.exp((logit - most) / temperature))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

function drawn(candidates: readonly Candidate[], temperature: number, draw: () => number): Candidate {
  const shares = sharesOf(candidates, temperature)
  let left = draw()
  for (const [at, share] of shares.entries()) {
    left -= share
    if (left < 0) return candidates[at] as Candidate
  }
  return candidates.at(-1) as Candidate
}
