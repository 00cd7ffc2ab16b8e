/** Where the tokens of one answer come from: llama.cpp's sampler, or ours where probabilities are wanted. */
import { type LlamaContextSequence, type LlamaGrammarEvaluationState, type Token, TokenBias } from 'node-llama-cpp'
import type { TokenLogprob } from '../../../protocols/chat.ts'
import type { SamplingOptions } from '../../../protocols/infer.ts'
import { mulberry32 } from '../seeded-draw.ts'
import { type Logits, logNormalizer, sampleToken } from './logits.ts'
import type { TextWork } from './messages.ts'
import type { LoadedModel } from './model.ts'
import { contextShift, evaluateOptions, recentTokens, seedOf } from './sampling.ts'

/** A token with its probability; a plain number where nobody wants that. */
export type Sampled = number | { readonly token: number; readonly logprob: TokenLogprob }

export interface TokenSourceInit {
  readonly model: LoadedModel
  readonly sequence: LlamaContextSequence
  readonly work: TextWork
  /** The last token of what is to be continued: the others are in the sequence. */
  readonly last: number
  /** Prompt and answer so far; the reader adds each token that it took. */
  readonly history: readonly number[]
  readonly grammar: LlamaGrammarEvaluationState | undefined
  /**
   * Tokens of the answer that exist already and must be said again, because only so does the grammar know where it is;
   * the reader removes each that it took.
   */
  readonly forced: readonly number[]
}

/** Ends where the model ends its answer. */
export function tokenSource(init: TokenSourceInit): AsyncGenerator<Sampled, void> {
  const { sequence, work, last, history, grammar, forced, model } = init
  if (work.logprobs !== undefined || isSampledHere(work.sampling)) return sampledHere(init, work.logprobs)
  return sequence.evaluate([last as Token], {
    ...evaluateOptions(work.sampling, history, model),
    ...(grammar === undefined ? {} : { grammarEvaluationState: grammar }),
    ...(forced.length === 0 ? {} : { tokenBias: () => forcing(model, forced[0]) }),
  }) as AsyncGenerator<Token, void>
}

/** Stronger than any difference of logits. */
const forcingLogit = 1e5

function forcing({ model }: LoadedModel, token: number | undefined): TokenBias {
  const bias = TokenBias.for(model)
  return token === undefined ? bias : bias.set(token as Token, { logit: forcingLogit })
}

/** Whether the bindings cannot do what is asked of the sampler. */
function isSampledHere({ typical_p }: SamplingOptions): boolean {
  return typical_p < 1
}

/** @param alternatives undefined: nobody wants to know probabilities */
async function* sampledHere(init: TokenSourceInit, alternatives: number | undefined): AsyncGenerator<Sampled, void> {
  const { sequence, work, history, forced, grammar, model } = init
  const { sampling } = work
  const draw = mulberry32(seedOf(sampling.seed))
  const shift = contextShift(sampling.num_keep, model)
  for (let last = init.last; ; ) {
    const logits = await allLogits(sequence, last, shift)
    const recent = recentTokens(sampling, history, model.contextTokens)
    const ours = () => sampleToken(logits, sampling, recent, draw)
    const token =
      grammar === undefined
        ? (forced[0] ?? ours())
        : await constrainedToken(init, { grammar, last, wanted: isSampledHere(sampling) ? ours() : undefined })
    if (token === undefined || model.model.isEogToken(token as Token)) return
    yield alternatives === undefined ? token : { token, logprob: logprobOf(model, logits, token, alternatives) }
    last = token
  }
}

async function allLogits(
  sequence: LlamaContextSequence,
  last: number,
  shift: ReturnType<typeof contextShift>,
): Promise<Logits> {
  const item: [Token, { generateNext: { logits: true } }] = [last as Token, { generateNext: { logits: true } }]
  const [result] = await sequence.controlledEvaluate([item], { contextShift: shift })
  return result?.next.logits ?? new Map()
}

interface Constrained {
  readonly grammar: LlamaGrammarEvaluationState
  readonly last: number
  /** What it is to be where the grammar allows it; else llama.cpp draws another, as its own server does. */
  readonly wanted: number | undefined
}

/** Only llama.cpp knows its grammars: it says the same token again, this time with the grammar, which costs a second pass. */
async function constrainedToken(
  { sequence, work, history, forced, model }: TokenSourceInit,
  { grammar, last, wanted }: Constrained,
): Promise<number | undefined> {
  const token = forced[0] ?? wanted
  await sequence.eraseContextTokenRanges([{ start: sequence.nextTokenIndex - 1, end: sequence.nextTokenIndex }])
  const tokens = sequence.evaluate([last as Token], {
    ...evaluateOptions(work.sampling, history, model),
    grammarEvaluationState: grammar,
    ...(token === undefined ? {} : { tokenBias: forcing(model, token) }),
  })
  const { value } = await tokens.next()
  await tokens.return()
  return value ?? undefined
}

function logprobOf(model: LoadedModel, logits: Logits, token: number, alternatives: number): TokenLogprob {
  const normalizer = logNormalizer(logits)
  const row = (each: number, logit: number) => ({
    token: model.detokenize([each], []),
    logprob: logit - normalizer,
  })
  const chosen = row(token, logits.get(token) ?? Number.NEGATIVE_INFINITY)
  if (alternatives === 0) return chosen
  const top = [...logits].slice(0, alternatives).map(([each, logit]) => row(each, logit))
  return { ...chosen, top }
}
