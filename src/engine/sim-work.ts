/** What one simulated request produces, step by step. No time, no channel. */
import type { TokenLogprob } from '../../protocols/chat.ts'
import type { FailureCode, InferFrame } from '../../protocols/infer.ts'
import { fitPrompt } from '../prompt/truncation.ts'
import { Answer } from './answer.ts'
import type { CompletionRequest, EmbeddingRequest } from './completer.ts'
import { scriptedAnswer, simInstance } from './sim-script.ts'
import { hashText, simAnswerLength, simScriptTokens, simTextOf, simToken, simVector, tokenizeSim } from './sim-text.ts'
import { EmbeddingError, inputTooLong, shapeVector } from './vector.ts'

/** Seeds are drawn below this when none is given. */
const seedRange = 2 ** 31

export interface SimWork {
  /** The prompt's tokens and the answer's so far: what the prefix cache keeps. Empty for embeddings. */
  readonly tokens: number[]
  /** Tokens to evaluate before the first step. */
  readonly promptLength: number
  /** Said once, when the prefix cache has been asked. */
  cached(tokens: number): void
  /** The next frames; the last one is `done` or `failed`. */
  step(): readonly InferFrame[]
}

export interface SimWorkInit {
  readonly contextTokens: number
  readonly monotonicMs: () => number
  /** Uniform in [0, 1): a seed, where the request brings none. */
  readonly random: () => number
}

/** Thrown when a request cannot be computed. */
export class SimWorkError extends Error {
  override readonly name = 'SimWorkError'
  readonly code: FailureCode

  constructor(code: FailureCode, message: string) {
    super(message)
    this.code = code
  }
}

/** The tokens of an answer by their index; undefined: the model has ended. */
type TokenAt = (index: number) => number | undefined

/** @throws SimWorkError or PromptTooLongError */
export function simCompletion(request: CompletionRequest, init: SimWorkInit): SimWork {
  const { sampling, resume, logprobs } = request
  const prompt = promptOf(request, init.contextTokens)
  const chance = sampling.temperature <= 0 ? 0 : sampling.seed === -1 ? seedFrom(init.random) : sampling.seed
  const seed = hashText(`${prompt.join(' ')} ${chance}`)
  const answer = new Answer({
    prompt,
    addedTokens: 0,
    resume,
    sampling,
    contextTokens: init.contextTokens,
    shift: request.shift,
    detokenize: simTextOf,
    tokenize: simScriptTokens,
    monotonicMs: init.monotonicMs,
  })
  const tokenAt = answerOf(request, seed)
  const tokens = [...prompt, ...resume]
  let index = resume.length
  return {
    tokens,
    promptLength: prompt.length,
    cached: (count) => {
      answer.cachedTokens = count
    },
    step: () => {
      if (answer.full) return answer.end('length')
      const token = tokenAt(index)
      if (token === undefined) return answer.end('stop')
      index += 1
      tokens.push(token)
      return answer.push(token, logprobs === undefined ? undefined : simLogprob(token, seed + index, logprobs))
    },
  }
}

const seedFrom = (random: () => number): number => Math.floor(random() * seedRange)

function promptOf(request: CompletionRequest, contextTokens: number): readonly number[] {
  const { prompt, before, sampling } = request
  const tokens = [...before, ...tokenizeSim(prompt)]
  const fitted = fitPrompt(tokens, { ...request, contextTokens, keep: sampling.num_keep })
  if (fitted.length === 0) throw new SimWorkError('invalid-request', 'the prompt is empty')
  return fitted
}

/** What the prompt scripts, what the format wants, or made-up words. */
function answerOf({ prompt, format, grammarFrom, sampling }: CompletionRequest, seed: number): TokenAt {
  const script = scriptedAnswer(prompt)
  const constrained = format === undefined ? undefined : simScriptTokens(JSON.stringify(simInstance(format)))
  const said = script === undefined ? undefined : simScriptTokens(script)
  if (constrained !== undefined) {
    return (index) => (index < grammarFrom ? said?.[index] : constrained[index - grammarFrom])
  }
  if (said !== undefined) return (index) => said[index]
  // A limit is also a wish: benchmarks and tests say how long an answer shall be.
  const length = sampling.num_predict <= 0 ? simAnswerLength(seed) : Number.POSITIVE_INFINITY
  return (index) => (index < length ? simToken(seed, index) : undefined)
}

/** Made up like the tokens, and in order: the one that was said is the likeliest. */
function simLogprob(token: number, seed: number, alternatives: number): TokenLogprob {
  const logprob = -1 - (hashText(String(seed)) % 1000) / 1000
  const row = { token: simTextOf([token]), logprob }
  if (alternatives === 0) return row
  const others = Array.from({ length: alternatives - 1 }, (_, at) => ({
    token: simTextOf([simToken(seed, at + 1)]),
    logprob: logprob - at - 1,
  }))
  return { ...row, top: [row, ...others] }
}

export function simEmbedding(work: EmbeddingRequest, init: SimWorkInit): SimWork {
  const beganMs = init.monotonicMs()
  let index = 0
  let promptTokens = 0
  const next = (text: string): InferFrame => {
    const tokens = tokenizeSim(text)
    if (tokens.length >= init.contextTokens && !work.truncate)
      throw new EmbeddingError('context-exceeded', inputTooLong)
    promptTokens += Math.min(tokens.length, init.contextTokens - 1)
    const vector = shapeVector(simVector(text), work.dimensions, work.normalize)
    return { kind: 'embedding', index: index++, vector }
  }
  return {
    tokens: [],
    promptLength: 0,
    cached: () => {},
    step: () => {
      const text = work.input[index]
      if (text !== undefined) return [next(text)]
      const promptNs = Math.round((init.monotonicMs() - beganMs) * 1e6)
      return [
        { kind: 'done', reason: 'stop', promptTokens, cachedTokens: 0, promptNs, evalTokens: 0, evalNs: 0, loadNs: 0 },
      ]
    },
  }
}
