/**
 * Sampling from all logits of a token, where llama.cpp's own sampler will not do: it tells only the probabilities that are
 * left after temperature and truncation, and its bindings know no typical p. The same steps in the same order as there:
 * penalties, top k, typical p, top p, min p, temperature, draw.
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
  const candidates = truncated(penalised(logits, sampling, recent), sampling)
  if (candidates.length === 0) throw new Error('the model gave no logits')
  return sampling.temperature <= 0 ? likeliest(candidates) : drawn(candidates, sampling.temperature, draw).token
}

/** Of equally likely ones the first of the vocabulary, as llama.cpp takes it: tokens that were never trained are equal. */
function likeliest(candidates: readonly Candidate[]): number {
  const most = candidates[0]?.logit
  return Math.min(...candidates.filter(({ logit }) => logit === most).map(({ token }) => token))
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

/** Likeliest first, and at least one where there is any. */
function truncated(candidates: readonly Candidate[], sampling: SamplingOptions): readonly Candidate[] {
  const { top_k, typical_p, top_p, min_p } = sampling
  const best = typical(top_k > 0 ? candidates.slice(0, top_k) : candidates, typical_p)
  if (best.length === 0) return best
  const shares = sharesOf(best, 1)
  let sum = 0
  let count = 0
  while (count < best.length && sum < top_p) sum += shares[count++] as number
  const least = (shares[0] as number) * min_p
  const kept = best.slice(0, Math.max(1, top_p >= 1 ? best.length : count))
  return kept.filter((_, at) => at === 0 || (shares[at] as number) >= least)
}

/** Those whose surprise is nearest to what one expects of all, until they have `most` of all probability together. */
function typical(candidates: readonly Candidate[], most: number): readonly Candidate[] {
  if (most >= 1) return candidates
  const shares = sharesOf(candidates, 1)
  const surprises = shares.map((share) => (share > 0 ? -Math.log(share) : Number.POSITIVE_INFINITY))
  const expected = shares.reduce((sum, share, at) => (share > 0 ? sum + share * (surprises[at] as number) : sum), 0)
  const oddness = surprises.map((surprise) => Math.abs(surprise - expected))
  const order = [...shares.keys()].sort((a, b) => (oddness[a] as number) - (oddness[b] as number))
  const kept = new Set<number>()
  let sum = 0
  for (const at of order) {
    kept.add(at)
    sum += shares[at] as number
    if (sum > most) break
  }
  return candidates.filter((_, at) => kept.has(at))
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
