/** Conversations through the chat template of a GGUF, in the shape that such templates expect. */
import { Template } from '@huggingface/jinja'
import type { ChatMessage, Think } from '../../protocols/chat.ts'
import { type AnswerStyle, callFormatOf, thinkingTagsOf } from './answer/detect.ts'
import type { Turn } from './go-renderer.ts'
import { CostError, renderBounded } from './jinja-bounds.ts'
import { PromptError, reasonOf } from './prompt-error.ts'
import { strftime } from './strftime.ts'

export interface JinjaFacts {
  readonly tools: boolean
  readonly thinking: boolean
  readonly toolRoundTrip: boolean
}

export interface SpecialTokens {
  readonly bosToken: string
  readonly eosToken: string
}

/** By the words in it, as Ollama judges. */
function analyseJinja(source: string): JinjaFacts {
  const has = (text: string) => source.includes(text)
  const tools = has('tools') || has('tool_call')
  return {
    tools,
    thinking: showsThinking(has),
    toolRoundTrip: tools && (has('tool_calls') || has('assistant_tool_call')) && showsToolResults(source),
  }
}

function styleOf(source: string): AnswerStyle {
  const thinking = thinkingTagsOf(source)
  return { calls: callFormatOf(source), ...(thinking === undefined ? {} : { thinking }) }
}

function showsThinking(has: (text: string) => boolean): boolean {
  if (has('<think>') && has('</think>')) return true
  const strips = has("content.split('</think>')") || has('content.split("</think>")')
  return strips && !has('reasoning_content') && !has('<SPECIAL_12>')
}

function showsToolResults(source: string): boolean {
  return /tool_response|tool_results|role['"]\] == ['"]tool['"]|message\.role == ['"]tool['"]|ipython/.test(source)
}

export class JinjaRenderer {
  readonly facts: JinjaFacts
  readonly style: AnswerStyle
  readonly #template: Template
  readonly #tokens: SpecialTokens
  #argumentsAsText: boolean | undefined

  /** @throws PromptError with fault `template` */
  constructor(source: string, tokens: SpecialTokens) {
    this.facts = analyseJinja(source)
    this.style = styleOf(source)
    this.#tokens = tokens
    try {
      this.#template = new Template(source)
    } catch (error) {
      const advice = 'use /api/generate with raw: true, or another build of the model'
      throw new PromptError('template', `the model's chat template cannot be read: ${reasonOf(error)}; ${advice}`, {
        cause: error,
      })
    }
  }

  /** @throws PromptError */
  render(turn: Turn): string {
    const calls = turn.messages.some(({ toolCalls }) => toolCalls !== undefined && toolCalls.length > 0)
    try {
      return this.#render(turn, calls && this.#wantsText(turn.now))
    } catch (error) {
      throw new PromptError('conversation', `the model's chat template refused the messages: ${reasonOf(error)}`, {
        cause: error,
      })
    }
  }

  /** Whether arguments show only when they come as JSON text: tried once, with a conversation made for it. */
  #wantsText(now: Date): boolean {
    this.#argumentsAsText ??= !this.#showsArguments(now, false) && this.#showsArguments(now, true)
    return this.#argumentsAsText
  }

  #showsArguments(now: Date, asText: boolean): boolean {
    const messages = [
      { role: 'user', content: 'call' },
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'call___', index: 0, name: 'f', arguments: { needle: 'x' } }],
      },
    ]
    try {
      return /needle["'=>]/.test(this.#render({ messages, tools: [], think: undefined, now }, asText))
    } catch (error) {
      if (error instanceof CostError) throw error // Each further try would cost as much.
      // A template that refuses the trial does not show them.
      return false
    }
  }

  #render(turn: Turn, asText: boolean): string {
    const { messages, tools, think, now } = turn
    return renderBounded(this.#template.parsed, {
      messages: messages.map((message) => shaped(message, asText)),
      ...(tools.length === 0 ? {} : { tools }),
      bos_token: this.#tokens.bosToken,
      eos_token: this.#tokens.eosToken,
      add_generation_prompt: true,
      ...thinkingOf(think),
      strftime_now: (format: string) => strftime(format, now),
    })
  }
}

function thinkingOf(think: Think | undefined): Record<string, unknown> {
  if (think === undefined) return {}
  return { enable_thinking: think !== false, ...(typeof think === 'string' ? { reasoning_effort: think } : {}) }
}

function shaped(message: ChatMessage, asText: boolean): Record<string, unknown> {
  const { role, content, thinking, toolCalls = [], toolName, toolCallId } = message
  return {
    role,
    content,
    ...(thinking === undefined ? {} : { reasoning_content: thinking }),
    ...(toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map(({ id, name, arguments: given }) => ({
            id,
            type: 'function',
            function: { name, arguments: asText ? JSON.stringify(given) : given },
          })),
        }),
    ...(toolName === undefined ? {} : { name: toolName }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  }
}
