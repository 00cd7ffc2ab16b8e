/**
 * Which known Go template renders what a GGUF's Jinja template renders. Ollama compares the templates' texts with a list of
 * published ones; here both are tried with conversations, so that a template which is worded otherwise is known as well, and
 * one that differs in a blank is not.
 */
import type { ChatMessage } from '../../protocols/chat.ts'
import { GoRenderer } from './go-renderer.ts'
import { JinjaRenderer, type SpecialTokens } from './jinja-renderer.ts'
import { type KnownTemplate, knownTemplates } from './known-templates.ts'

export interface ChatTemplate extends SpecialTokens {
  /** Jinja. */
  readonly source: string
  /** The tokenizer puts the beginning's mark before every prompt. */
  readonly addsBos: boolean
}

const system: ChatMessage = { role: 'system', content: 'Be brief.\n\n"No" & {{ yes }} <b> ' }
const question: ChatMessage = { role: 'user', content: ' What is\n1 < 2? \n' }
const answer: ChatMessage = { role: 'assistant', content: '\n True.\t' }
const other: ChatMessage = { role: 'user', content: 'Ünd {% why %}?' }

/** Blanks at the ends tell a template that trims; what is more than one round tells one that looks at the last only. */
const trials: readonly (readonly ChatMessage[])[] = [
  [other],
  [question],
  [question, answer, other],
  [system, question],
  [system, other, answer, question, answer, other],
]

/** Dates in a template are no part of a known one. */
const now = new Date(0)

/** Undefined where none does, or where the Jinja template can do more: tools, thoughts. */
export function detectTemplate(chat: ChatTemplate): KnownTemplate | undefined {
  const wanted = promptsOf(chat)
  return wanted && knownTemplates.find(({ source }) => rendersAll(new GoRenderer(source), wanted))
}

interface Wanted {
  readonly messages: readonly ChatMessage[]
  readonly prompt: string
}

/** What the Jinja template renders, without the beginning's mark; a conversation that it refuses is no part of it. */
function promptsOf(chat: ChatTemplate): readonly Wanted[] | undefined {
  try {
    const jinja = new JinjaRenderer(chat.source, chat)
    if (jinja.facts.tools || jinja.facts.thinking) return undefined
    const prompts = trials.map((messages) => ({ messages, prompt: rendered(jinja, messages, messages[0] === system) }))
    const accepted = prompts.filter((wanted): wanted is Wanted => wanted.prompt !== undefined)
    if (!chat.addsBos && accepted.some(({ prompt }) => startsWithBos(prompt, chat))) return undefined
    return accepted.map((wanted) => ({ ...wanted, prompt: withoutBos(wanted.prompt, chat) }))
  } catch {
    return undefined // No template that can be read, or one that no conversation suits.
  }
}

function rendered(jinja: JinjaRenderer, messages: readonly ChatMessage[], mayRefuse: boolean): string | undefined {
  try {
    return jinja.render({ messages, tools: [], think: undefined, now })
  } catch (error) {
    if (mayRefuse) return undefined // Several templates know no system message.
    throw error
  }
}

function rendersAll(go: GoRenderer, wanted: readonly Wanted[]): boolean {
  return wanted.every(({ messages, prompt }) => go.render({ messages, tools: [], think: undefined, now }) === prompt)
}

const startsWithBos = (prompt: string, { bosToken }: SpecialTokens): boolean =>
  bosToken !== '' && prompt.startsWith(bosToken)

function withoutBos(prompt: string, chat: ChatTemplate): string {
  return startsWithBos(prompt, chat) ? prompt.slice(chat.bosToken.length) : prompt
}
