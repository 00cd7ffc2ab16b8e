/**
 * The lock-step scheduler: every pass frees what was cancelled, evaluates one chunk of one prompt, one embedding, and
 * then one token of every running answer at once. Streams join and leave only between ticks and are asked in ascending
 * order of their sequences; otherwise llama.cpp computes them one by one.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LlamaGrammarEvaluationState, Token } from 'node-llama-cpp'
import type { InferFrame } from '../../../protocols/infer.ts'
import { fitPrompt, keptTokens, PromptTooLongError } from '../../prompt/truncation.ts'
import { Answer } from '../answer.ts'
import { SchemaError } from '../grammar/json-schema.ts'
import { chooseSlot, commonPrefix } from '../slot-choice.ts'
import { EmbeddingError } from '../vector.ts'
import { Embedding } from './embedding.ts'
import type { StartMessage, TextWork, TickMessage } from './messages.ts'
import type { LoadedModel } from './model.ts'
import { type Sampled, tokenSource } from './token-source.ts'

/** An answer that holds a sequence. */
interface Seat {
  readonly work: TextWork
  readonly slot: number
  readonly answer: Answer
  /** Prompt and answer so far, for the penalties. */
  readonly history: number[]
  /** What has to be in the sequence before the first token can be sampled. */
  readonly prefill: readonly number[]
  readonly grammar: LlamaGrammarEvaluationState | undefined
  /** Of the answer so far, what is said again so that the grammar follows it; the first comes next. */
  readonly forced: number[]
  tokens: AsyncGenerator<Sampled, void> | undefined
}

interface Stream {
  readonly start: StartMessage
  paused: boolean
  cancelled: boolean
  seat: Seat | undefined
  embedding: Embedding | undefined
}

export interface SchedulerInit {
  readonly model: LoadedModel
  /** Tokens of a prompt between two ticks. */
  readonly prefillTokens: number
  /** A promise when no more may be sent before it resolves. */
  readonly send: (tick: TickMessage) => Promise<void> | undefined
}

export class Scheduler {
  readonly #init: SchedulerInit
  readonly #streams = new Map<number, Stream>()
  /** Streams that are not answering yet; the first one gets the next chunk and then goes to the end. */
  #preparing: Stream[] = []
  #embedding: Stream[] = []
  #running: Stream[] = []
  readonly #taken = new Set<number>()
  readonly #frames = new Map<number, InferFrame[]>()
  #released: number[] = []
  #wake: (() => void) | undefined

  constructor(init: SchedulerInit) {
    this.#init = init
  }

  start(start: StartMessage): void {
    const stream: Stream = { start, paused: false, cancelled: false, seat: undefined, embedding: undefined }
    this.#streams.set(start.stream, stream)
    if (start.work.kind === 'embed') {
      stream.embedding = new Embedding(this.#init.model, start.work)
      this.#embedding.push(stream)
    } else {
      this.#preparing.push(stream)
    }
    this.#wake?.()
  }

  pause(id: number, paused: boolean): void {
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    stream.paused = paused
    this.#wake?.()
  }

  cancel(id: number): void {
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    stream.cancelled = true
    this.#wake?.()
  }

  /** Works for as long as the process lives. */
  async run(): Promise<never> {
    for (;;) {
      await this.#dropCancelled()
      await this.#prepareOne()
      await this.#embedOne()
      await this.#tick()
      await this.#sendTick()
      if (this.#idle()) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      } else {
        // Messages from the parent are heard here even when nothing above had to wait.
        await nextTurn()
      }
    }
  }

  #idle(): boolean {
    for (const stream of this.#streams.values()) {
      if (stream.cancelled || !stream.paused) return false
    }
    return true
  }

  async #dropCancelled(): Promise<void> {
    for (const stream of [...this.#streams.values()]) {
      if (!stream.cancelled) continue
      this.#frames.delete(stream.start.stream)
      await this.#leave(stream)
    }
  }

  /** Makes a stream's sequence free again. What it holds stays there for the next one with the same beginning. */
  async #leave(stream: Stream): Promise<void> {
    const not = (other: Stream) => other !== stream
    this.#preparing = this.#preparing.filter(not)
    this.#embedding = this.#embedding.filter(not)
    this.#running = this.#running.filter(not)
    await stream.seat?.tokens?.return()
    if (stream.seat !== undefined) this.#taken.delete(stream.seat.slot)
    this.#streams.delete(stream.start.stream)
    this.#released.push(stream.start.stream)
  }

  async #finish(stream: Stream, frames: readonly InferFrame[]): Promise<void> {
    this.#emit(stream, frames)
    await this.#leave(stream)
  }

  async #fail(stream: Stream, error: unknown): Promise<void> {
    await this.#finish(stream, [failureFrame(error)])
  }

  #emit(stream: Stream, frames: readonly InferFrame[]): void {
    if (frames.length === 0) return
    const waiting = this.#frames.get(stream.start.stream)
    if (waiting === undefined) this.#frames.set(stream.start.stream, [...frames])
    else waiting.push(...frames)
  }

  async #prepareOne(): Promise<void> {
    const stream = this.#preparing.shift()
    if (stream === undefined) return
    this.#preparing.push(stream)
    try {
      const { work } = stream.start
      if (work.kind === 'text') stream.seat ??= await this.#seat(work)
      if (stream.seat === undefined) return
      await this.#prefill(stream, stream.seat)
    } catch (error) {
      await this.#fail(stream, error)
    }
  }

  /** Finds the prompt's tokens and a sequence for them. */
  async #seat(work: TextWork): Promise<Seat> {
    const { model } = this.#init
    const { prompt, addedTokens } = promptTokens(model, work)
    const grammar = work.format === undefined ? undefined : await model.grammar(work.format)
    const forced = grammar === undefined ? [] : work.resume.slice(work.grammarFrom)
    const wanted = [...prompt, ...work.resume.slice(0, work.resume.length - forced.length)]
    const free = model.sequences
      .map((sequence, id) => ({ id, prefix: commonPrefix(sequence.contextTokens, wanted) }))
      .filter(({ id }) => !this.#taken.has(id))
    const slot = chooseSlot(free)
    const sequence = slot === undefined ? undefined : model.sequences[slot]
    if (slot === undefined || sequence === undefined) throw new Error('every sequence is taken')
    this.#taken.add(slot)
    const answer = new Answer({
      prompt,
      addedTokens,
      resume: work.resume,
      sampling: work.sampling,
      contextTokens: model.contextTokens,
      shift: work.shift,
      detokenize: (tokens, before) => model.detokenize(tokens, before, work.tags !== undefined),
      tokenize: (text) => model.tokenizeWithin(text),
      monotonicMs: () => performance.now(),
    })
    // The last token is always evaluated: its result is the first token of the answer.
    await sequence.adaptStateToTokens(wanted.slice(0, -1) as Token[], false)
    answer.cachedTokens = Math.min(sequence.nextTokenIndex, prompt.length)
    return { work, slot, answer, history: [...wanted], prefill: wanted, grammar, forced, tokens: undefined }
  }

  /** Evaluates one chunk; with the last one the stream joins the running. */
  async #prefill(stream: Stream, seat: Seat): Promise<void> {
    const sequence = this.#init.model.sequences[seat.slot]
    if (sequence === undefined) throw new Error(`no sequence ${seat.slot}`)
    if (seat.answer.full) {
      await this.#finish(stream, seat.answer.end('length'))
      return
    }
    const total = seat.prefill.length
    const from = sequence.nextTokenIndex
    const chunk = seat.prefill.slice(from, Math.min(from + this.#init.prefillTokens, total - 1))
    if (chunk.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(chunk as Token[])
    const done = sequence.nextTokenIndex
    this.#emit(stream, [{ kind: 'progress', phase: 'prefill', done, total }])
    if (done < total - 1) return
    seat.tokens = tokenSource({ ...seat, model: this.#init.model, sequence, last: seat.prefill[total - 1] as number })
    this.#preparing = this.#preparing.filter((other) => other !== stream)
    this.#running.push(stream)
    this.#running.sort((left, right) => (left.seat?.slot ?? 0) - (right.seat?.slot ?? 0))
  }

  async #embedOne(): Promise<void> {
    const place = this.#embedding.findIndex((stream) => !stream.paused)
    const [stream] = place < 0 ? [] : this.#embedding.splice(place, 1)
    if (stream?.embedding === undefined) return
    this.#embedding.push(stream)
    try {
      const frame = await stream.embedding.step()
      if (frame.kind === 'done') await this.#finish(stream, [frame])
      else this.#emit(stream, [frame])
    } catch (error) {
      await this.#fail(stream, error)
    }
  }

  /** One token of every running answer whose consumer keeps up. */
  async #tick(): Promise<void> {
    const active = this.#running.filter((stream) => !stream.paused && !stream.cancelled)
    if (active.length === 0) return
    const results = await Promise.allSettled(active.map((stream) => stream.seat?.tokens?.next()))
    for (const [at, stream] of active.entries()) {
      const result = results[at]
      const { seat } = stream
      if (result === undefined || seat === undefined || stream.cancelled) continue
      if (result.status === 'rejected') {
        await this.#fail(stream, result.reason)
      } else if (result.value === undefined || result.value.done === true) {
        await this.#finish(stream, seat.answer.end('stop'))
      } else {
        await this.#take(stream, seat, result.value.value)
      }
    }
  }

  async #take(stream: Stream, seat: Seat, sampled: Sampled): Promise<void> {
    const token = typeof sampled === 'number' ? sampled : sampled.token
    seat.history.push(token)
    // Said before, to whoever asked first.
    if (seat.forced.shift() !== undefined) return
    const frames = seat.answer.push(token, typeof sampled === 'number' ? undefined : sampled.logprob)
    if (frames.at(-1)?.kind === 'done') await this.#finish(stream, frames)
    else this.#emit(stream, frames)
  }

  async #sendTick(): Promise<void> {
    if (this.#frames.size === 0 && this.#released.length === 0) return
    const streams = [...this.#frames].map(([stream, frames]) => ({ stream, frames }))
    const written = this.#init.send({ kind: 'tick', streams, released: this.#released })
    this.#frames.clear()
    this.#released = []
    await written
  }
}

function promptTokens(
  model: LoadedModel,
  { prompt, before, shift, truncate, sampling }: TextWork,
): { readonly prompt: readonly number[]; readonly addedTokens: number } {
  const { contextTokens, vocabulary } = model
  const given = [...before, ...model.tokenize(prompt, false)]
  const tokens = model.begun(given)
  const keep = keptTokens(sampling.num_keep, vocabulary.addsBos)
  const fitted = fitPrompt(tokens, { contextTokens, keep, truncate, shift })
  if (fitted.length === 0) throw new EmptyPromptError()
  return { prompt: fitted, addedTokens: tokens.length - given.length }
}

class EmptyPromptError extends Error {
  override readonly name = 'EmptyPromptError'

  constructor() {
    super('the prompt is empty')
  }
}

function failureFrame(error: unknown): InferFrame {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof PromptTooLongError) return { kind: 'failed', code: 'context-exceeded', message }
  if (error instanceof EmbeddingError) return { kind: 'failed', code: error.code, message }
  if (error instanceof SchemaError || error instanceof EmptyPromptError) {
    return { kind: 'failed', code: 'invalid-request', message }
  }
  return { kind: 'failed', code: 'internal', message }
}
