/** Requests as conversations, before any template sees them. */
import type { ChatMessage } from '../../protocols/chat.ts'
import type { InferWork } from '../../protocols/infer.ts'

type Conversation = Extract<InferWork, { kind: 'chat' | 'generate' }>

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

/**
 * Drops as few of the oldest messages as it takes until `render` gives at most `limit` tokens. A search by halves: a
 * thousand messages are rendered about ten times.
 * @returns the tokens, or undefined when not even the system messages and the last one fit
 */
export function fitConversation(
  messages: readonly ChatMessage[],
  limit: number,
  render: (messages: readonly ChatMessage[]) => readonly number[],
): readonly number[] | undefined {
  const whole = render(messages)
  if (whole.length <= limit) return whole
  let tooFew = 0
  let enough = messages.filter((message, index) => message.role !== 'system' && index < messages.length - 1).length
  let fitting = enough === 0 ? whole : render(withoutOldest(messages, enough))
  if (fitting.length > limit) return undefined
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2)
    const tokens = render(withoutOldest(messages, middle))
    if (tokens.length <= limit) {
      enough = middle
      fitting = tokens
    } else {
      tooFew = middle
    }
  }
  return fitting
}

/** Ollama's words for a prompt that does not fit. */
export const promptTooLong =
  'the prompt is longer than the context length currently available to the model; shorten the prompt, or load the model with a larger context (num_ctx)'
