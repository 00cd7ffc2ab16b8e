/**
 * An engine over a driver that only continues texts: requests become prompts here, and what the model says becomes an
 * answer. Drivers whose server does both itself do without.
 */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { Think, Tool } from '../../protocols/chat.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { InferFrame, InferRequest, InferStream, SamplingOptions, WorkerLoad } from '../../protocols/infer.ts'
import {
  type AnswerParser,
  type AnswerParserInit,
  createAnswerParser,
  tagsRead,
} from '../prompt/answer/answer-parser.ts'
import { tellsThoughts } from '../prompt/answer/detect.ts'
import type { ConversationWork } from '../prompt/conversation.ts'
import { PromptError } from '../prompt/prompt-error.ts'
import { createRenderer, type Rendered, type Renderer } from '../prompt/renderer.ts'
import type { Completer, CompletionRequest } from './completer.ts'
import type { LoadedEngine } from './driver.ts'
import { foreignToken } from './foreign-token.ts'
import { deferredStream, failedStream, loadedOnly, renderedOnly } from './frames.ts'
import { resolveOptions } from './options.ts'
import { promptedAnswer } from './prompted-answer.ts'

export interface PromptedEngineInit {
  readonly completer: Completer
  readonly model: ModelFile
  /** What prompts call today. */
  readonly wallMs?: () => number
  /** Uniform in [0, 1): the names of tool calls, where a model gives none. */
  readonly random?: () => number
}

/** One request with everything that its prompt and its answer need. */
interface Asked {
  readonly request: InferRequest
  readonly work: ConversationWork
  readonly sampling: SamplingOptions
}

export class PromptedEngine implements LoadedEngine {
  readonly #completer: Completer
  readonly #model: ModelFile
  readonly #wallMs: () => number
  readonly #random: () => number
  readonly #renderer: Renderer
  readonly pid?: number

  constructor({ completer, model, wallMs = Date.now, random = Math.random }: PromptedEngineInit) {
    this.#completer = completer
    this.#model = model
    this.#wallMs = wallMs
    this.#random = random
    this.#renderer = rendererOf(completer, model)
    if (completer.pid !== undefined) this.pid = completer.pid
  }

  get contextLength(): number {
    return this.#completer.contextLength
  }

  get sizeBytes(): number {
    return this.#completer.sizeBytes
  }

  get sizeVramBytes(): number {
    return this.#completer.sizeVramBytes
  }

  get ended(): Promise<Failure | undefined> {
    return this.#completer.ended
  }

  as(model: ModelFile): LoadedEngine {
    return new PromptedEngine({ completer: this.#completer, model, wallMs: this.#wallMs, random: this.#random })
  }

  load(): WorkerLoad {
    return this.#completer.load()
  }

  close(): Promise<void> {
    return this.#completer.close()
  }

  infer(request: InferRequest): InferStream {
    const { work, model } = request
    try {
      // Options of a wrong type are refused also where nothing is sampled.
      const sampling = resolveOptions(this.#model.parameters, request.options)
      if (work.kind === 'load') return loadedOnly(this.load())
      if (work.kind !== 'embed') return this.#converse({ request, work, sampling })
      const { input, truncate, dimensions = 0, normalize } = work
      return this.#completer.embed({ model, input, truncate, dimensions, normalize })
    } catch (error) {
      return failedStream(failureOf(error), this.load())
    }
  }

  /** A conversation loses its oldest messages until it leaves room for one token of an answer. */
  #converse(asked: Asked): InferStream {
    const { request, work } = asked
    const before = work.kind === 'generate' ? (work.context ?? []) : []
    const { vocabularyTokens } = this.#completer
    const foreign = foreignToken(before, { model: request.model, vocabularyTokens })
    if (foreign !== undefined) throw new PromptError('conversation', foreign)
    const now = new Date(this.#wallMs())
    const whole = this.#renderer.render({ work, now })
    const limit = this.contextLength - 1 - before.length
    if (request.truncate === false || surelyFits(whole.prompt, limit)) return this.#answer(asked, whole)
    const countTokens = async (prompt: string) => (await this.#completer.tokenize(prompt)).length
    return this.#later(
      this.#renderer.renderFitting({ work, now }, { limit, countTokens }).then((fitted) => this.#answer(asked, fitted)),
    )
  }

  #later(coming: Promise<InferStream>): InferStream {
    return deferredStream(coming.catch((error: unknown) => failedStream(failureOf(error), this.load())))
  }

  #answer(asked: Asked, rendered: Rendered): InferStream {
    const { request, work } = asked
    if (request.renderOnly === true) return this.#later(this.#rendered(rendered))
    const reading = this.#reading(work, rendered)
    const resume = request.resume?.tokens ?? []
    const tags = reading === undefined ? undefined : tagsRead(reading)
    const shifts = this.#model.families?.includes(unshiftable) !== true
    const complete = (tokens: readonly number[], formatFrom: number | undefined, again: boolean): InferStream =>
      this.#completer.complete(completionOf(asked, rendered, { tokens, formatFrom, again, tags, shifts }))
    if (reading === undefined) return complete(resume, work.format === undefined ? undefined : 0, false)
    const parser = createAnswerParser(reading)
    const read = (formatFrom: number) =>
      promptedAnswer({ parser, format: work.format, resume, formatFrom, start: complete })
    return resume.length === 0 ? read(0) : this.#later(this.#readAlready(parser, resume).then(read))
  }

  async #rendered(rendered: Rendered): Promise<InferStream> {
    const tokens = await this.#completer.tokenize(rendered.prompt)
    return renderedOnly(rendered, tokens.length, this.load())
  }

  /** Brings the parser to where an interrupted answer stopped; with which of its tokens a format begins. */
  async #readAlready(parser: AnswerParser, tokens: readonly number[]): Promise<number> {
    let formatFrom = 0
    for (const [index, token] of tokens.entries()) {
      if (parser.thinks) formatFrom = index + 1
      parser.push(await this.#completer.detokenize([token]))
    }
    return formatFrom
  }

  /** How the answer is to be read; undefined: all that the model says is the answer, as it is. */
  #reading(work: ConversationWork, { answer }: Rendered): AnswerParserInit | undefined {
    if (work.kind === 'generate' && work.raw) return undefined
    const tools: readonly Tool[] = work.kind === 'chat' ? (work.tools ?? []) : []
    const { calls, thinking } = answer
    const thoughts = isThinking(work.think) ? thinking : undefined
    const isWrapped = tellsThoughts(calls) || calls === 'cohere'
    if (tools.length === 0 && thoughts === undefined && !isWrapped) return undefined
    return {
      tools,
      ...(calls === undefined ? {} : { calls }),
      ...(thoughts === undefined ? {} : { thinking: thoughts }),
      random: this.#random,
    }
  }
}

/** The family of models whose context Ollama does not shift unless it is told to. */
const unshiftable = 'deepseek2'

/** A model that can think does so unless it is told not to. */
const isThinking = (think: Think | undefined): boolean => think !== false

interface Part {
  readonly tokens: readonly number[]
  readonly formatFrom: number | undefined
  readonly again: boolean
  /** What the parser of the answer must see. */
  readonly tags: readonly string[] | undefined
  /** Whether the context shifts where nobody says. */
  readonly shifts: boolean
}

function completionOf(
  { request, work, sampling }: Asked,
  { prompt, images }: Rendered,
  { tokens, formatFrom, again, tags, shifts }: Part,
): CompletionRequest {
  const { model, shift = shifts, truncate = true, logprobs } = request
  return {
    model,
    prompt,
    before: work.kind === 'generate' ? (work.context ?? []) : [],
    sampling,
    resume: tokens,
    grammarFrom: formatFrom ?? 0,
    shift,
    truncate,
    images,
    again,
    ...(tags === undefined ? {} : { tags }),
    ...(work.format === undefined || formatFrom === undefined ? {} : { format: work.format }),
    ...(logprobs === undefined ? {} : { logprobs }),
  }
}

function rendererOf({ vocabulary }: Completer, model: ModelFile): Renderer {
  const { name, system, messages, families, renderer, parser, template } = model
  const { chatTemplate, ...tokens } = vocabulary
  return createRenderer({
    ...tokens,
    name: name.replace(/^.*\//, '').replace(/:.*$/, ''),
    ...(system === undefined ? {} : { system }),
    ...(messages === undefined ? {} : { messages }),
    ...(families === undefined ? {} : { families }),
    ...(renderer === undefined ? {} : { renderer }),
    ...(parser === undefined ? {} : { parser }),
    ...(template === undefined ? {} : { goTemplate: template }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  })
}

/** A token is at least one byte; the model may add one of its own at either end. */
function surelyFits(prompt: string, limit: number): boolean {
  return Buffer.byteLength(prompt) + 2 <= limit
}

function failureOf(error: unknown): Extract<InferFrame, { kind: 'failed' }> {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof PromptError && error.fault === 'template') {
    return { kind: 'failed', code: 'model-unusable', message }
  }
  return { kind: 'failed', code: 'invalid-request', message }
}
