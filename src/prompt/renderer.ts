/** Prompts of one model: its templates are read once, requests are rendered with the one that Ollama would take. */
import type { ChatMessage, Think } from '../../protocols/chat.ts'
import type { AnswerParserInit } from './answer/answer-parser.ts'
import { styleOfParser, tellsThoughts } from './answer/detect.ts'
import type { ThinkingTags } from './answer/thinking.ts'
import { type Choice, choose } from './choice.ts'
import {
  type ConversationWork,
  type ModelMessages,
  messagesOf,
  withImageMarkers,
  withoutOldThoughts,
} from './conversation.ts'
import { GoRenderer, type Turn } from './go-renderer.ts'
import { JinjaRenderer, type SpecialTokens } from './jinja-renderer.ts'
import { PromptError, reasonOf } from './prompt-error.ts'
import type { Capabilities } from './template-analysis.ts'
import { fitConversation, tokensPerImage, withoutBos } from './truncation.ts'

export interface ModelFacts extends ModelMessages, SpecialTokens {
  /** The model's own name without namespace and tag, as in `deepseek-r1`. */
  readonly name?: string
  /** `model_family` of the configuration first, then the others. */
  readonly families?: readonly string[]
  readonly renderer?: string
  readonly parser?: string
  /** The template layer. */
  readonly goTemplate?: string
  /** `tokenizer.chat_template` of the GGUF. */
  readonly chatTemplate?: string
  /** The tokenizer puts the beginning's mark before every prompt. */
  readonly addsBos: boolean
  /** `OLLAMA_GO_TEMPLATE`, where it is set. */
  readonly preferGo?: boolean
}

export interface RenderRequest {
  readonly work: ConversationWork
  /** What dates in templates mean. */
  readonly now: Date
}

/** What a prompt must not exceed, and how its tokens are counted. */
export interface Fit {
  readonly limit: number
  readonly countTokens: (prompt: string) => Promise<number>
}

/** What the answer's parser must know: `createAnswerParser` takes it as it is. */
export interface AnswerFacts extends Pick<AnswerParserInit, 'calls' | 'thinking'> {
  /** What the answer continues: the text of an assistant's message at the end of the conversation. */
  readonly prefill: string
}

export interface Rendered {
  readonly prompt: string
  /** The `[img-N]` of the prompt, from 0. */
  readonly images: readonly Uint8Array[]
  readonly answer: AnswerFacts
}

export interface Renderer {
  readonly capabilities: Capabilities
  readonly choice: Choice
  /** The whole conversation. @throws PromptError */
  render(request: RenderRequest): Rendered
  /** Without as many of the oldest messages as it takes to fit. Rejects with a PromptError, or as `countTokens` does. */
  renderFitting(request: RenderRequest, fit: Fit): Promise<Rendered>
}

/** Templates that cannot be read are no reason to refuse a model: requests that need them are refused. */
export function createRenderer(facts: ModelFacts): Renderer {
  return new ModelRenderer(facts)
}

class ModelRenderer implements Renderer {
  readonly capabilities: Capabilities
  readonly choice: Choice
  readonly #facts: ModelFacts
  readonly #go: GoRenderer | undefined
  readonly #jinja: JinjaRenderer | undefined
  /** Why the template that should render cannot. */
  readonly #unreadable: PromptError | undefined

  constructor(facts: ModelFacts) {
    const { goTemplate, chatTemplate } = facts
    this.#facts = facts
    const go = read(goTemplate, goRenderer)
    const jinja = read(chatTemplate, (source) => new JinjaRenderer(source, facts))
    this.#go = go.value
    this.#jinja = jinja.value
    this.choice = choose({
      ...facts,
      ...(go.value === undefined ? {} : { go: { source: goTemplate ?? '', facts: go.value.facts } }),
      ...(jinja.value === undefined ? {} : { jinja: jinja.value }),
    })
    this.#unreadable = this.choice.way === 'plain' ? (go.error ?? jinja.error) : undefined
    const template = this.choice.way === 'go' ? go.value?.facts : jinja.value?.facts
    const style = this.choice.parser === undefined ? undefined : styleOfParser(this.choice.parser)
    this.capabilities = {
      tools: template?.tools === true || style?.calls !== undefined,
      thinking: template?.thinking === true || style?.thinking !== undefined || tellsThoughts(style?.calls),
      insert: go.value?.facts.insert ?? false,
    }
  }

  render(request: RenderRequest): Rendered {
    const { work } = request
    if (work.kind === 'generate' && work.raw) return this.#rendered(work.prompt, work.images ?? [], '')
    if (isInsert(work)) return this.#insert(work, request.now)
    return this.#converse(request, this.#messages(work))
  }

  async renderFitting(request: RenderRequest, { limit, countTokens }: Fit): Promise<Rendered> {
    const { work } = request
    if (work.kind === 'generate' && (work.raw || isInsert(work))) return this.render(request)
    const kept = await fitConversation(this.#messages(work), limit, async (candidate) => {
      const { prompt, images } = this.#converse(request, candidate)
      return (await countTokens(prompt)) + images.length * tokensPerImage
    })
    return this.#converse(request, kept)
  }

  #converse({ work, now }: RenderRequest, conversation: readonly ChatMessage[]): Rendered {
    const own = ownTemplate(work)
    const think = this.#levelOf(work.think ?? (this.capabilities.thinking ? true : undefined))
    const { messages, images } = withImageMarkers(conversation)
    const prompt = this.#prompt(this.#turn(messages, work, think, now), own)
    const last = messages.at(-1)
    const prefill = last?.role === 'assistant' && prompt.endsWith(last.content) ? last.content : ''
    return this.#rendered(prompt, images, prefill, own)
  }

  /** Models that write harmony know three levels. */
  #levelOf(think: Think | undefined): Think | undefined {
    return think === 'max' && this.choice.parser === 'harmony' ? 'high' : think
  }

  #messages(work: ConversationWork): readonly ChatMessage[] {
    const messages = messagesOf(work, this.#facts)
    const forgets = this.#facts.families?.[0] === 'qwen3' || this.#facts.name === 'deepseek-r1'
    return forgets ? withoutOldThoughts(messages) : messages
  }

  #turn(messages: readonly ChatMessage[], work: ConversationWork, think: Think | undefined, now: Date): Turn {
    return { messages, tools: work.kind === 'chat' ? (work.tools ?? []) : [], think, now }
  }

  #insert(work: GenerateWork, now: Date): Rendered {
    const own = ownTemplate(work)
    const renderer = own ?? this.#go
    if (renderer?.facts.insert !== true) throw new PromptError('conversation', 'the template has no place for a suffix')
    const turn = this.#turn([], work, work.think, now)
    const prompt = attempt(() => renderer.renderInsert(work.prompt, work.suffix ?? '', turn))
    return this.#rendered(prompt, work.images ?? [], '', own)
  }

  #prompt(turn: Turn, own: GoRenderer | undefined): string {
    const go = own ?? (this.choice.way === 'go' ? this.#go : undefined)
    if (go !== undefined) return attempt(() => go.render(turn))
    const { bosToken, addsBos } = this.#facts
    // As llama.cpp does it; what other templates write there, its tokenizer sees.
    if (this.choice.way === 'jinja' && this.#jinja !== undefined) {
      return withoutBos(this.#jinja.render(turn), bosToken, addsBos)
    }
    if (this.#unreadable !== undefined) throw this.#unreadable
    return plainTemplate.render(turn)
  }

  #rendered(prompt: string, images: readonly Uint8Array[], prefill: string, own?: GoRenderer): Rendered {
    const { calls, thinking } = this.#styleOf(own)
    const started = thinking !== undefined && prompt.trimEnd().endsWith(thinking.open)
    return {
      prompt,
      images,
      answer: {
        ...(calls === undefined ? {} : { calls }),
        ...(thinking === undefined ? {} : { thinking: { ...thinking, started } }),
        prefill,
      },
    }
  }

  /** As a parser of Ollama's would read the answer, where the model asks for one; else by the template. */
  #styleOf(own: GoRenderer | undefined): Style {
    const { parser, way } = this.choice
    const named = parser === undefined ? undefined : styleOfParser(parser)
    if (named !== undefined) return named
    const go = own ?? (way === 'go' ? this.#go : undefined)
    if (go === undefined) return this.#jinja?.style ?? {}
    const { toolTag, thinkingTags } = go.facts
    return { calls: { tag: toolTag }, ...(thinkingTags === undefined ? {} : { thinking: thinkingTags }) }
  }
}

type GenerateWork = Extract<ConversationWork, { kind: 'generate' }>

/** Whether an answer is wanted between two texts. */
function isInsert(work: ConversationWork): work is GenerateWork {
  return work.kind === 'generate' && work.prompt !== '' && (work.suffix ?? '') !== ''
}

/** The template that a request brings. @throws PromptError */
function ownTemplate(work: ConversationWork): GoRenderer | undefined {
  return work.kind === 'generate' && work.template ? goRenderer(work.template) : undefined
}

type Style = Pick<AnswerParserInit, 'calls'> & { readonly thinking?: ThinkingTags }

/** What Ollama does without a template. */
const plainTemplate = new GoRenderer('{{ .Prompt }}')

/** @throws PromptError with fault `template` */
function goRenderer(source: string): GoRenderer {
  try {
    return new GoRenderer(source)
  } catch (error) {
    throw new PromptError('template', reasonOf(error), { cause: error })
  }
}

function attempt(render: () => string): string {
  try {
    return render()
  } catch (error) {
    throw new PromptError('template', reasonOf(error), { cause: error })
  }
}

function read<Value>(
  source: string | undefined,
  parse: (source: string) => Value,
): { readonly value?: Value; readonly error?: PromptError } {
  if (source === undefined || source === '') return {}
  try {
    return { value: parse(source) }
  } catch (error) {
    if (error instanceof PromptError) return { error }
    throw error
  }
}
