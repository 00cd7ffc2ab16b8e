/** Where the tokens of one answer come from: llama.cpp's sampler, or ours where probabilities are wanted. */
import {
  type ContextShiftOptions,
  type LlamaContextSequence,
  type LlamaGrammarEvaluationState,
  type Token,
  TokenBias,
} from 'node-llama-cpp'
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
  const { sequence, work, history, forced, model } = init
  const { sampling } = work
  const draw = mulberry32(seedOf(sampling.seed))
  const shift = contextShift(sampling.num_keep, model)
  let { grammar } = init
  for (let last = init.last; ; ) {
    const logits = await allLogits(sequence, last, shift)
    const recent = recentTokens(sampling, history, model.contextTokens)
    const drawn = (among: Logits) => sampleToken(among, sampling, recent, draw)
    let token = forced[0] ?? drawn(logits)
    if (grammar !== undefined) {
      const followed = await following({ init, last, grammar, shift }, token, (allowed) => {
        return drawn(new Map([...logits].filter(([each]) => allowed.has(each))))
      })
      token = followed.token
      grammar = followed.grammar
    }
    if (model.model.isEogToken(token as Token)) return
    yield alternatives === undefined ? token : { token, logprob: logprobOf(model, logits, token, alternatives) }
    last = token
  }
}

async function allLogits(sequence: LlamaContextSequence, last: number, shift: ContextShiftOptions): Promise<Logits> {
  const item: [Token, { generateNext: { logits: true } }] = [last as Token, { generateNext: { logits: true } }]
  const [result] = await sequence.controlledEvaluate([item], { contextShift: shift })
  return result?.next.logits ?? new Map()
}

interface Place {
  readonly init: TokenSourceInit
  /** The last token in the sequence. */
  readonly last: number
  readonly grammar: LlamaGrammarEvaluationState
  readonly shift: ContextShiftOptions
}

/**
 * As llama.cpp does it: the token that was drawn freely, where the grammar allows it, else one that is drawn among those
 * that it allows. Only llama.cpp knows its grammars: it says the last token again to be asked, a pass for each question.
 */
async function following(
  place: Place,
  wanted: number,
  drawAmong: (allowed: ReadonlySet<number>) => number,
): Promise<{ readonly token: number; readonly grammar: LlamaGrammarEvaluationState }> {
  const attempt = place.grammar.clone()
  if (await takes({ ...place, grammar: attempt }, wanted)) return { token: wanted, grammar: attempt }
  const token = drawAmong(await allowedTokens({ ...place, grammar: place.grammar.clone() }))
  if (!(await takes(place, token))) throw new Error(`the grammar allows token ${token} and does not take it`)
  return { token, grammar: place.grammar }
}

/** Whether the grammar goes on with a token; where it does not, its state is of no use any more. */
async function takes({ init, last, grammar, shift }: Place, token: number): Promise<boolean> {
  await forgetLast(init.sequence)
  const tokens = init.sequence.evaluate([last as Token], {
    temperature: 0,
    contextShift: shift,
    grammarEvaluationState: grammar,
    tokenBias: forcing(init.model, token),
    yieldEogToken: true,
  })
  const { value } = await tokens.next()
  await tokens.return()
  return value === token
}

/** All that may come next; leaves the grammar's state of no use. */
async function allowedTokens({ init, last, grammar, shift }: Place): Promise<ReadonlySet<number>> {
  await forgetLast(init.sequence)
  const tokens = init.sequence.evaluateWithMetadata(
    [last as Token],
    { probabilities: true },
    { ...allAsItIs, contextShift: shift, grammarEvaluationState: grammar, yieldEogToken: true },
  )
  const { value } = await tokens.next()
  await tokens.return()
  const probabilities: Logits = value?.probabilities ?? new Map()
  return new Set([...probabilities].filter(([, share]) => share > 0).map(([token]) => token))
}

/** Leaves every token its probability. */
const allAsItIs = { temperature: 1, topK: 0, topP: 1, minP: 0 } as const

async function forgetLast(sequence: LlamaContextSequence): Promise<void> {
  await sequence.eraseContextTokenRanges([{ start: sequence.nextTokenIndex - 1, end: sequence.nextTokenIndex }])
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
