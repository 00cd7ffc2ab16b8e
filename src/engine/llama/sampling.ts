/** Ollama's sampling options in the engine's terms. */
import { randomInt } from 'node:crypto'
import type { SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import type { SamplingOptions } from '../../../protocols/infer.ts'

/** Seeds are 32 bits wide, and the engine takes none below 0. */
const seedRange = 2 ** 32
const randomSeedRange = 2 ** 31

/**
 * @param history the prompt's and the answer's tokens so far; it grows while the answer is computed
 * @param contextTokens what `repeat_last_n` -1 stands for
 */
export function evaluateOptions(
  sampling: SamplingOptions,
  history: readonly number[],
  contextTokens: number,
): SequenceEvaluateOptions {
  const { repeat_penalty, presence_penalty, frequency_penalty, repeat_last_n } = sampling
  const lastTokens = Math.min(repeat_last_n < 0 ? contextTokens : repeat_last_n, contextTokens)
  const penalised = lastTokens > 0 && (repeat_penalty !== 1 || presence_penalty !== 0 || frequency_penalty !== 0)
  return {
    temperature: Math.max(0, sampling.temperature),
    topK: Math.max(0, sampling.top_k),
    topP: sampling.top_p,
    minP: sampling.min_p,
    seed: sampling.seed === -1 ? randomInt(randomSeedRange) : ((sampling.seed % seedRange) + seedRange) % seedRange,
    ...(penalised
      ? {
          repeatPenalty: {
            punishTokens: () => history.slice(-lastTokens) as Token[],
            maxPunishTokens: lastTokens,
            penalty: repeat_penalty,
            presencePenalty: presence_penalty,
            frequencyPenalty: frequency_penalty,
          },
        }
      : {}),
  }
}
