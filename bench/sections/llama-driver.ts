/** The default engine itself, in this process: several answers at once, and what a known prefix saves. */
import type { InferFrame, InferRequest, InferResult } from '../../protocols/infer.ts'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { eventually } from '../../test/support/eventually.ts'
import { type BenchContext, tinyGguf } from '../support/context.ts'
import { byRound, Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

const slots = 8
const streamCounts = [1, 2, 4, 8] as const
/** Answers per arm and round, the same for each count of streams. */
const answers = 8
const answerTokens = 200
/** A prompt of some 600 tokens: it shows in the time to the first token. */
const prefixSentences = 60

export const llamaDriver: Section = {
  name: 'llama',
  title: 'The llama driver',
  method: `The driver in this process, its engine child with \`models/omx-tiny.gguf\` on one thread and ${slots} slots. Streams: ${answers} stories of up to ${answerTokens} tokens,
so many at a time; tokens per second over all of them. Prefix: a prompt of about ${prefixSentences * 10} tokens, whose beginning the engine has just seen (reused) or never
seen (not reused); time to the first token.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const streams = new Table(['tokens/s', 'against one at a time'])
  const prefix = new Table(['first token, ms', 'prompt tokens reused'])
  const engine = await loadTiny()
  context.track({ kill: () => void engine.close() })
  try {
    await timedAnswers(engine, slots, 'warm-up')
    for (let round = 0; round < context.rounds; round++) {
      const rates = new Map<number, number>()
      for (const count of streamCounts) rates.set(count, await timedAnswers(engine, count, `${round}`))
      for (const [count, rate] of rates) {
        const share = rate / (rates.get(1) as number)
        streams.add(`${count} at a time`, { 'tokens/s': rate, 'against one at a time': share })
      }
      for (const [name, measured] of await timedPrefixes(engine, round)) prefix.add(name, measured)
    }
  } finally {
    await engine.close()
  }
  const saved = byRound(
    ['not reused', 'reused'].map((row) => prefix.values(row, 'first token, ms')),
    (fresh, known) => fresh / known,
  )
  return {
    tables: [
      { title: 'Streams', table: streams },
      { title: 'Prefix', table: prefix },
    ],
    verdicts: [],
    notes: [`A reused prefix brings the first token ${saved} times as fast.`],
  }
}

function loadTiny(): Promise<LoadedEngine> {
  const model = { digest: 'tiny', name: 'omx-tiny:latest', path: tinyGguf, sizeBytes: 1_669_600, parameters: {} }
  const settings = { threads: 1, slots, maxWaiting: answers, contextTokens: 1024, prefillTokens: 64 }
  return createDriver({ name: 'llama' }).load(model, settings, AbortSignal.timeout(60_000))
}

/** Tokens per second over all answers, `count` under way at any time. */
async function timedAnswers(engine: LoadedEngine, count: number, seed: string): Promise<number> {
  await eventually('the engine is idle', () => engine.load().active === 0)
  const subjects = Array.from({ length: answers }, (_, index) => `${seed}-${index}`)
  const startMs = performance.now()
  let tokens = 0
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (let subject = subjects.pop(); subject !== undefined; subject = subjects.pop()) {
        const { result } = await answer(
          engine,
          requestOf(subject, 'Write a long story about a fox and a lamp.', answerTokens),
        )
        tokens += result.evalTokens
      }
    }),
  )
  return (tokens / (performance.now() - startMs)) * 1000
}

/** First a prompt that begins like no other, then the same with another end. */
async function timedPrefixes(engine: LoadedEngine, round: number) {
  const beginning = Array.from(
    { length: prefixSentences },
    (_, index) => `In story ${round} the number ${index} is ${index + round}.`,
  )
  const ask = (end: string) => answer(engine, requestOf(`${round}${end}`, `${beginning.join(' ')} ${end}`, 4))
  const fresh = await ask('What is 1 plus 2?')
  const known = await ask('What is the capital of Norway?')
  return [fresh, known].map(({ firstTokenMs, result }, index) => {
    const measured = { 'first token, ms': firstTokenMs, 'prompt tokens reused': result.cachedTokens }
    return [index === 0 ? 'not reused' : 'reused', measured] as const
  })
}

function requestOf(id: string, content: string, tokens: number): InferRequest {
  return {
    id,
    traceId: id,
    model: 'omx-tiny',
    digest: 'tiny',
    work: { kind: 'chat', messages: [{ role: 'user', content }] },
    options: { num_predict: tokens, temperature: 0 },
    remainingMs: 0,
  }
}

async function answer(
  engine: LoadedEngine,
  request: InferRequest,
): Promise<{ firstTokenMs: number; result: InferResult }> {
  const startMs = performance.now()
  let firstTokenMs = Number.NaN
  let last: InferFrame | undefined
  for await (const batch of engine.infer(request)) {
    if (Number.isNaN(firstTokenMs) && batch.some(({ kind }) => kind === 'token'))
      firstTokenMs = performance.now() - startMs
    last = batch.at(-1)
  }
  if (last?.kind !== 'done') throw new Error(`the engine ended an answer with ${JSON.stringify(last)}`)
  return { firstTokenMs, result: last }
}
