/**
 * An engine over a driver that only continues texts: requests become prompts here, and what the model says becomes an
 * answer. Drivers whose server does both itself do without.
 */
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { Failure } from '../../protocols/exit.ts'
import type { InferFrame, InferRequest, InferStream, SamplingOptions, WorkerLoad } from '../../protocols/infer.ts'
import type { Completer, CompletionRequest } from './completer.ts'
import { type Conversation, fitConversation, messagesOf } from './conversation.ts'
import type { LoadedEngine } from './driver.ts'
import { deferredStream, failedStream, loadedOnly, renderedOnly } from './frames.ts'
import { resolveOptions } from './options.ts'
import { PromptError, PromptTemplate } from './prompt-template.ts'

export interface PromptedEngineInit {
  readonly completer: Completer
  readonly model: ModelFile
}

export class PromptedEngine implements LoadedEngine {
  readonly #completer: Completer
  readonly #model: ModelFile
  readonly #template: PromptTemplate
  readonly pid?: number

  constructor({ completer, model }: PromptedEngineInit) {
    this.#completer = completer
    this.#model = model
    const { chatTemplate: template, bosToken, eosToken } = completer.vocabulary
    this.#template = new PromptTemplate({ template, bosToken, eosToken })
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
    return new PromptedEngine({ completer: this.#completer, model })
  }

  load(): WorkerLoad {
    return this.#completer.load()
  }

  close(): Promise<void> {
    return this.#completer.close()
  }

  infer(request: InferRequest): InferStream {
    const { work, model } = request
    if (work.kind === 'load') return loadedOnly(this.load())
    if (work.kind === 'embed') {
      const { input, truncate, dimensions = 0, normalize } = work
      return this.#completer.embed({ model, input, truncate, dimensions, normalize })
    }
    try {
      const sampling = resolveOptions(this.#model.parameters, request.options)
      if (work.kind === 'generate' && work.raw) return this.#complete(request, sampling, work.prompt)
      return this.#converse(request, sampling, work)
    } catch (error) {
      return failedStream(failureOf(error), this.load())
    }
  }

  #converse(request: InferRequest, sampling: SamplingOptions, work: Conversation): InferStream {
    const messages = messagesOf(work, this.#model.system)
    const before = work.kind === 'generate' ? (work.context ?? []) : []
    const limit = this.contextLength - 1 - before.length
    const prompt = this.#template.render(messages)
    if (surelyFits(prompt, limit)) return this.#complete(request, sampling, prompt)
    const fitted = fitConversation(messages, limit, async (candidate) => {
      const text = this.#template.render(candidate)
      return { text, tokens: (await this.#completer.tokenize(text)).length }
    })
    return deferredStream(
      fitted.then(
        (text) => this.#complete(request, sampling, text),
        (error: unknown) => failedStream(failureOf(error), this.load()),
      ),
    )
  }

  #complete(request: InferRequest, sampling: SamplingOptions, prompt: string): InferStream {
    const { work, model, resume, shift = true, logprobs, renderOnly } = request
    if (renderOnly === true) return renderedOnly(prompt, this.load())
    const format = work.kind === 'generate' || work.kind === 'chat' ? work.format : undefined
    const completion: CompletionRequest = {
      model,
      prompt,
      before: work.kind === 'generate' ? (work.context ?? []) : [],
      sampling,
      resume: resume?.tokens ?? [],
      grammarFrom: 0,
      shift,
      images: [],
      ...(format === undefined ? {} : { format }),
      ...(logprobs === undefined ? {} : { logprobs }),
    }
    return this.#completer.complete(completion)
  }
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
