/** A model's own chat template, rendered. */
import { Template } from '@huggingface/jinja'
import type { ChatMessage } from '../../protocols/chat.ts'

/** Thrown when a conversation cannot be rendered: `template` when the model's template itself is at fault. */
export class PromptError extends Error {
  override readonly name = 'PromptError'
  readonly fault: 'template' | 'conversation'

  constructor(fault: PromptError['fault'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}

export interface PromptTemplateInit {
  /** `tokenizer.chat_template` of the GGUF; absent for base models. */
  readonly template: string | undefined
  readonly bosToken: string
  readonly eosToken: string
}

export class PromptTemplate {
  readonly #init: PromptTemplateInit
  #parsed: Template | undefined

  constructor(init: PromptTemplateInit) {
    this.#init = init
  }

  /**
   * The prompt that the model answers as the assistant. Without a template: the contents, one after another.
   * @throws PromptError
   */
  render(messages: readonly ChatMessage[]): string {
    const { template, bosToken, eosToken } = this.#init
    if (template === undefined) return messages.map((message) => message.content).join('')
    this.#parsed ??= parse(template)
    try {
      return this.#parsed.render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        bos_token: bosToken,
        eos_token: eosToken,
        add_generation_prompt: true,
      })
    } catch (error) {
      throw new PromptError('conversation', `the model's chat template refused the messages: ${reasonOf(error)}`, {
        cause: error,
      })
    }
  }
}

function parse(template: string): Template {
  try {
    return new Template(template)
  } catch (error) {
    throw new PromptError(
      'template',
      `the model's chat template cannot be read: ${reasonOf(error)}; use /api/generate with raw: true, or another build of the model`,
      { cause: error },
    )
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
