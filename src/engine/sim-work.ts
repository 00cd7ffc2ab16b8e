/** What one simulated request produces, step by step. No time, no channel. */
import { randomInt } from 'node:crypto'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { FailureCode, InferFrame, InferRequest } from '../../protocols/infer.ts'
import { Answer } from './answer.ts'
import { fitConversation, messagesOf, promptTooLong } from './conversation.ts'
import { resolveOptions } from './options.ts'
import { hashText, renderSim, simAnswerLength, simTextOf, simToken, simVector, tokenizeSim } from './sim-text.ts'
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
  readonly model: ModelFile
  readonly contextTokens: number
  readonly monotonicMs: () => number
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

/** @throws OptionError, SimWorkError */
export function simWork(request: InferRequest, init: SimWorkInit): SimWork {
  const sampling = resolveOptions(init.model.parameters, request.options)
  if (request.work.kind === 'embed') return embedWork(request.work, init)
  const prompt = promptOf(request, init)
  const resume = request.resume?.tokens ?? []
  const chance = sampling.temperature <= 0 ? 0 : sampling.seed === -1 ? randomInt(seedRange) : sampling.seed
  const seed = hashText(`${prompt.join(' ')} ${chance}`)
  const answer = new Answer({
    prompt,
    resume,
    sampling,
    contextTokens: init.contextTokens,
    detokenize: simTextOf,
    monotonicMs: init.monotonicMs,
  })
  // A limit is also a wish: benchmarks and tests say how long an answer shall be.
  const length = sampling.num_predict < 0 ? simAnswerLength(seed) : Number.POSITIVE_INFINITY
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
      if (index >= length) return answer.end('stop')
      const token = simToken(seed, index)
      index += 1
      tokens.push(token)
      return answer.push(token)
    },
  }
}

function promptOf(request: InferRequest, init: SimWorkInit): readonly number[] {
  const { work } = request
  if (work.kind === 'embed' || work.kind === 'load') throw new SimWorkError('internal', `${work.kind} has no prompt`)
  const limit = init.contextTokens - 1
  const context = work.kind === 'generate' ? (work.context ?? []) : []
  const tokens =
    work.kind === 'generate' && work.raw
      ? tokenizeSim(work.prompt)
      : fitConversation(messagesOf(work, init.model.system), limit, (messages) => [
          ...context,
          ...tokenizeSim(renderSim(messages)),
        ])
  if (tokens === undefined || tokens.length > limit) throw new SimWorkError('context-exceeded', promptTooLong)
  if (tokens.length === 0) throw new SimWorkError('invalid-request', 'the prompt is empty')
  return tokens
}

function embedWork(work: Extract<InferRequest['work'], { kind: 'embed' }>, init: SimWorkInit): SimWork {
  const beganMs = init.monotonicMs()
  let index = 0
  let promptTokens = 0
  const next = (text: string): InferFrame => {
    const tokens = tokenizeSim(text)
    if (tokens.length >= init.contextTokens && !work.truncate)
      throw new EmbeddingError('context-exceeded', inputTooLong)
    promptTokens += Math.min(tokens.length, init.contextTokens - 1)
    const vector = shapeVector(simVector(text), work.dimensions ?? 0, work.normalize)
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
