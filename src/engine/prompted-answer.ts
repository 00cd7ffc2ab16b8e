/**
 * What a model says, read as an answer: frames of text in, frames of words, thoughts and calls out, token for token. An
 * answer that must have a format is computed in two parts where the model thinks first: what it thinks has none.
 */
import type { Format } from '../../protocols/chat.ts'
import type { InferFrame, InferStream } from '../../protocols/infer.ts'
import type { AnswerParser } from '../prompt/answer/answer-parser.ts'
import type { Delta } from '../prompt/answer/delta.ts'

type Batch = readonly InferFrame[]
type TokenFrame = Extract<InferFrame, { kind: 'token' }>

export interface PromptedAnswerInit {
  readonly parser: AnswerParser
  /** What the answer must be, once the model has thought. */
  readonly format: Format | undefined
  /** Tokens of the answer that the client has already; the parser has read them. */
  readonly resume: readonly number[]
  /** With which of these the format began, where the model has done thinking. */
  readonly formatFrom: number
  /**
   * Computes on from these tokens of the answer; with `formatFrom`, what comes from that token on has the format.
   * `again`: it has computed the tokens before a moment ago.
   */
  readonly start: (tokens: readonly number[], formatFrom: number | undefined, again: boolean) => InferStream
}

export function promptedAnswer(init: PromptedAnswerInit): InferStream {
  return { [Symbol.asyncIterator]: () => new PromptedAnswer(init) }
}

/** Not a generator: `return` of one would wait for the frame that is due. */
class PromptedAnswer implements AsyncIterator<Batch> {
  readonly #init: PromptedAnswerInit
  /** Kept only while the second part may still have to begin. */
  readonly #tokens: number[]
  /** The first part, whose thoughts have no format; undefined: what comes is as it must be. */
  #isUnformatted: boolean
  #frames: AsyncIterator<Batch>
  #isSecondPart = false
  /** Of the token that comes next. */
  #nextIndex: number

  constructor(init: PromptedAnswerInit) {
    const { parser, format, resume, formatFrom, start } = init
    this.#init = init
    this.#tokens = [...resume]
    this.#nextIndex = resume.length
    this.#isUnformatted = format !== undefined && parser.thinks
    const from = format === undefined || this.#isUnformatted ? undefined : formatFrom
    this.#frames = start(resume, from, false)[Symbol.asyncIterator]()
  }

  async next(): Promise<IteratorResult<Batch>> {
    for (;;) {
      const { done, value } = await this.#frames.next()
      if (done === true) return { done, value: undefined }
      const batch = this.#read(value)
      if (batch.length > 0) return { done: false, value: batch }
    }
  }

  return(): Promise<IteratorResult<Batch>> {
    void this.#frames.return?.()
    return Promise.resolve({ done: true, value: undefined })
  }

  #read(batch: Batch): Batch {
    const read: InferFrame[] = []
    for (const frame of batch) {
      // The client knows already that its request was taken.
      if (frame.kind === 'accepted' && this.#isSecondPart) continue
      if (frame.kind !== 'token') {
        read.push(...this.#last(frame), frame)
        continue
      }
      read.push(this.#readToken(frame))
      if (!this.#isUnformatted || this.#init.parser.thinks) continue
      this.#beginSecondPart()
      break
    }
    return read
  }

  #readToken(frame: TokenFrame): InferFrame {
    const { parser } = this.#init
    const deltas = parser.push(frame.text)
    this.#nextIndex = frame.index + frame.tokens.length
    if (!this.#isUnformatted) return withDeltas(frame, deltas)
    for (const token of frame.tokens) this.#tokens.push(token)
    // What stands after the thoughts in the same piece was written without the format.
    return withDeltas(
      frame,
      deltas.filter(({ text }) => text === undefined),
    )
  }

  #beginSecondPart(): void {
    void this.#frames.return?.()
    this.#isUnformatted = false
    this.#isSecondPart = true
    this.#frames = this.#init.start(this.#tokens, this.#tokens.length, true)[Symbol.asyncIterator]()
  }

  /** Before the end: what the parser held back. */
  #last(frame: InferFrame): InferFrame[] {
    if (frame.kind !== 'done') return []
    const deltas = this.#init.parser.finish()
    return deltas.length === 0
      ? []
      : [withDeltas({ kind: 'token', index: this.#nextIndex, tokens: [], text: '' }, deltas)]
  }
}

/** A frame's tokens with what they came to mean, which may be nothing yet. */
function withDeltas(frame: TokenFrame, deltas: readonly Delta[]): InferFrame {
  const text = deltas.map((delta) => delta.text ?? '').join('')
  const thinking = deltas.map((delta) => delta.thinking ?? '').join('')
  const toolCalls = deltas.flatMap((delta) => delta.toolCalls ?? [])
  return {
    ...frame,
    text,
    ...(thinking === '' ? {} : { thinking }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
  }
}
