/** Ollama's sampling options in the engine's terms. */
import { randomInt } from 'node:crypto'
import type { ContextShiftOptions, SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import type { SamplingOptions } from '../../../protocols/infer.ts'
import { keptTokens } from '../../prompt/truncation.ts'
import type { LoadedModel } from './model.ts'

/** Seeds are 32 bits wide, and the engine takes none below 0. */
const seedRange = 2 ** 32
const randomSeedRange = 2 ** 31

/** What sampling must know of a model. */
type Sampled = Pick<LoadedModel, 'contextTokens' | 'vocabulary'>

/**
 * @param history the prompt's and the answer's tokens so far; it grows while the answer is computed
 * @param model its context is what `repeat_last_n` -1 stands for
 */
export function evaluateOptions(
  sampling: SamplingOptions,
  history: readonly number[],
  model: Sampled,
): SequenceEvaluateOptions {
  const { contextTokens } = model
  const { repeat_penalty, presence_penalty, frequency_penalty } = sampling
  const lastTokens = penaltyWindow(sampling, contextTokens)
  const penalised = lastTokens > 0 && (repeat_penalty !== 1 || presence_penalty !== 0 || frequency_penalty !== 0)
  return {
    temperature: Math.max(0, sampling.temperature),
    topK: Math.max(0, sampling.top_k),
    topP: sampling.top_p,
    minP: sampling.min_p,
    seed: seedOf(sampling.seed),
    contextShift: contextShift(sampling.num_keep, model),
    ...(penalised
      ? {
          repeatPenalty: {
            punishTokens: () => recentTokens(sampling, history, contextTokens) as Token[],
            maxPunishTokens: lastTokens,
            penalty: repeat_penalty,
            presencePenalty: presence_penalty,
            frequencyPenalty: frequency_penalty,
          },
        }
      : {}),
  }
}

export function seedOf(seed: number): number {
  return seed === -1 ? randomInt(randomSeedRange) : ((seed % seedRange) + seedRange) % seedRange
}

function penaltyWindow({ repeat_last_n }: SamplingOptions, contextTokens: number): number {
  return Math.min(repeat_last_n < 0 ? contextTokens : repeat_last_n, contextTokens)
}

/** The tokens that penalties count. */
export function recentTokens(
  sampling: SamplingOptions,
  history: readonly number[],
  contextTokens: number,
): readonly number[] {
  const count = penaltyWindow(sampling, contextTokens)
  return count === 0 ? [] : history.slice(-count)
}

/** A full context loses half of what need not be kept, as llama.cpp's server does it; the beginning stays. */
export function contextShift(numKeep: number, { vocabulary }: Sampled): ContextShiftOptions {
  const keep = keptTokens(numKeep, vocabulary.addsBos)
  const keptOf = (length: number): number => Math.max(0, Math.min(keep < 0 ? length : keep, length - 4))
  return {
    size: ({ contextSize }) => Math.max(1, Math.floor((contextSize - keptOf(contextSize)) / 2)),
    strategy: ({ sequence, size }) => {
      const start = keptOf(sequence.nextTokenIndex)
      return [{ start, end: start + size }]
    },
  }
}
