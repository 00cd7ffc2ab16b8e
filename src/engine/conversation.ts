/** Requests as conversations, before any template sees them. */
import type { ChatMessage } from '../../protocols/chat.ts'
import type { InferWork } from '../../protocols/infer.ts'

export type Conversation = Extract<InferWork, { kind: 'chat' | 'generate' }>

/** The messages of a chat or a templated generate, the model's own system message first where the request brings none. */
export function messagesOf(work: Conversation, modelSystem: string | undefined): readonly ChatMessage[] {
  if (work.kind === 'generate') {
    const system = work.system ?? modelSystem ?? ''
    const user = { role: 'user', content: work.prompt }
    return system === '' ? [user] : [{ role: 'system', content: system }, user]
  }
  if (modelSystem === undefined || modelSystem === '' || work.messages[0]?.role === 'system') return work.messages
  return [{ role: 'system', content: modelSystem }, ...work.messages]
}

/** The conversation without its `count` oldest messages; system messages and the last one always stay. */
function withoutOldest(messages: readonly ChatMessage[], count: number): readonly ChatMessage[] {
  let left = count
  return messages.filter((message, index) => {
    if (left === 0 || message.role === 'system' || index === messages.length - 1) return true
    left -= 1
    return false
  })
}

export interface Counted {
  readonly text: string
  readonly tokens: number
}

/**
 * Drops as few of the oldest messages as it takes until the prompt that `render` gives has at most `limit` tokens. A
 * search by halves: a thousand messages are rendered about ten times.
 * @returns the prompt; where not even the system messages and the last one fit, that of these
 */
export async function fitConversation(
  messages: readonly ChatMessage[],
  limit: number,
  render: (messages: readonly ChatMessage[]) => Promise<Counted>,
): Promise<string> {
  const whole = await render(messages)
  if (whole.tokens <= limit) return whole.text
  let tooFew = 0
  let enough = messages.filter((message, index) => message.role !== 'system' && index < messages.length - 1).length
  let fitting = enough === 0 ? whole : await render(withoutOldest(messages, enough))
  if (fitting.tokens > limit) return fitting.text
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2)
    const candidate = await render(withoutOldest(messages, middle))
    if (candidate.tokens <= limit) {
      enough = middle
      fitting = candidate
    } else {
      tooFew = middle
    }
  }
  return fitting.text
}

/**
 * A prompt that leaves room for one token of an answer. One that does not fit loses its middle: the first `keep` tokens
 * stay, and of the rest the end, so that half of the room is free for the answer, as Ollama cuts it.
 * @param keep undefined: nothing may be cut
 * @returns undefined where it does not fit and may not be cut
 */
export function fitPrompt(
  tokens: readonly number[],
  contextTokens: number,
  keep: number | undefined,
): readonly number[] | undefined {
  if (tokens.length < contextTokens) return tokens
  if (keep === undefined) return undefined
  const kept = Math.max(0, Math.min(keep, contextTokens - 2))
  const length = contextTokens - Math.max(Math.floor((contextTokens - kept) / 2), 1)
  return [...tokens.slice(0, kept), ...tokens.slice(tokens.length - (length - kept))]
}

/** Ollama's words for a prompt that does not fit. */
export const promptTooLong =
  'the prompt is longer than the context length currently available to the model; shorten the prompt, or load the model with a larger context (num_ctx)'
