/** Making conversations and prompts fit a context, as Ollama does. */
import type { ChatMessage } from '../../protocols/chat.ts'

/** What an image costs in tokens, as long as nobody has looked at it. */
export const tokensPerImage = 768

/**
 * Drops as few of the oldest messages as it takes until `count` gives at most `limit`. System messages stay, the last one
 * stays, and a tool's answer never without the call that it answers. A search by halves: a thousand messages are
 * counted about ten times.
 */
export async function fitConversation(
  messages: readonly ChatMessage[],
  limit: number,
  count: (messages: readonly ChatMessage[]) => Promise<number>,
): Promise<readonly ChatMessage[]> {
  if (messages.length < 2 || (await count(messages)) <= limit) return messages
  let tooEarly = 0
  let enough = messages.length - 1
  while (enough - tooEarly > 1) {
    const middle = Math.floor((tooEarly + enough) / 2)
    if ((await count(keptFrom(messages, middle))) <= limit) enough = middle
    else tooEarly = middle
  }
  return keptFrom(messages, enough)
}

/** The conversation from a message on, after the system messages before it. */
function keptFrom(messages: readonly ChatMessage[], index: number): readonly ChatMessage[] {
  const start = startOfToolBlock(messages, index)
  return messages.filter((message, position) => position >= start || message.role === 'system')
}

/** Of answers by tools: where the calls are that they answer. */
function startOfToolBlock(messages: readonly ChatMessage[], index: number): number {
  if (messages[index]?.role !== 'tool') return index
  const before = messages.slice(0, index).findLastIndex(({ role }) => role !== 'tool')
  const caller = messages[before]
  return caller?.role === 'assistant' && (caller.toolCalls?.length ?? 0) > 0 ? before : index
}

/** What a prompt must fit into, and what may be done to make it fit. */
export interface PromptRoom {
  readonly contextTokens: number
  /** Tokens at the beginning that stay: `keptTokens`. */
  readonly keep: number
  /** False: nothing may be cut, and llama.cpp says that it does not fit. */
  readonly truncate: boolean
  /** False: nothing may be cut, and Ollama says so. */
  readonly shift: boolean
}

/** `num_keep` counts without the beginning's mark, which stays before them. -1: as many as can. */
export function keptTokens(numKeep: number, addsBos: boolean): number {
  return numKeep < 0 ? numKeep : numKeep + Number(addsBos)
}

/**
 * A prompt that leaves room for one token of an answer. One that does not fit loses its middle: the first `keep` tokens
 * stay (-1: as many as can), and of the rest the last, so that half of what is not kept is free for the answer. Throws a
 * PromptTooLongError where nothing may be cut.
 */
export function fitPrompt(
  tokens: readonly number[],
  { contextTokens, keep, truncate, shift }: PromptRoom,
): readonly number[] {
  if (tokens.length < contextTokens) return tokens
  if (!truncate) throw new PromptTooLongError(exceedsContext(tokens.length, contextTokens))
  if (!shift) throw new PromptTooLongError(promptTooLong)
  const kept = Math.max(0, Math.min(keep < 0 ? tokens.length : keep, contextTokens - 1))
  const length = contextTokens - Math.max(Math.floor((contextTokens - kept) / 2), 1)
  return [...tokens.slice(0, kept), ...tokens.slice(tokens.length - (length - kept))]
}

/** Thrown for a prompt that does not fit and may not be cut; the message is Ollama's. */
export class PromptTooLongError extends Error {
  override readonly name = 'PromptTooLongError'
}

const promptTooLong =
  'the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length'

/** Ollama hands on the very body that its llama.cpp answers. */
function exceedsContext(promptTokens: number, contextTokens: number): string {
  return JSON.stringify({
    error: {
      code: 400,
      message: `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
      type: 'exceed_context_size_error',
      n_prompt_tokens: promptTokens,
      n_ctx: contextTokens,
    },
  })
}

/** The prompt without the mark for its beginning, where the tokenizer adds it. */
export function withoutBos(prompt: string, bosToken: string, addsBos: boolean): string {
  return addsBos && bosToken !== '' && prompt.startsWith(bosToken) ? prompt.slice(bosToken.length) : prompt
}
