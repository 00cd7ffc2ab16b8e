/** Requests as conversations, before any template sees them. */
import type { ChatMessage } from '../../protocols/chat.ts'
import type { ChatWork, GenerateWork } from '../../protocols/infer.ts'

export type ConversationWork = ChatWork | GenerateWork

export interface ModelMessages {
  readonly system?: string
  /** The model's MESSAGE layer. */
  readonly messages?: readonly ChatMessage[]
}

/** A request's messages after the model's own; its system message goes first where the request brings none. */
export function messagesOf(work: ConversationWork, model: ModelMessages): readonly ChatMessage[] {
  const examples = model.messages ?? []
  if (work.kind === 'chat') {
    const brings = model.system === undefined || model.system === '' || work.messages[0]?.role === 'system'
    return [...(brings ? [] : [systemMessage(model.system)]), ...examples, ...work.messages]
  }
  const system = work.system || model.system || ''
  return [
    ...(system === '' ? [] : [systemMessage(system)]),
    // Who continues from a context has these behind him.
    ...(work.context === undefined || work.context.length === 0 ? examples : []),
    { role: 'user', content: work.prompt, ...(work.images === undefined ? {} : { images: work.images }) },
  ]
}

function systemMessage(content: string): ChatMessage {
  return { role: 'system', content }
}

/** The messages with what older answers thought taken out of their contents, for models that are trained so. */
export function withoutOldThoughts(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const lastQuestion = messages.findLastIndex(({ role }) => role === 'user')
  return messages.map((message, index) =>
    index < lastQuestion && message.role === 'assistant'
      ? { ...message, content: withoutThought(message.content) }
      : message,
  )
}

function withoutThought(content: string): string {
  const start = content.trimStart()
  if (!start.startsWith('<think>')) return content
  const end = start.indexOf('</think>')
  return end < 0 ? '' : start.slice(end + '</think>'.length).trimStart()
}

/** Each image takes the place of an `[img]`, or goes before the content; they are numbered through the conversation. */
export function withImageMarkers(messages: readonly ChatMessage[]): {
  readonly messages: readonly ChatMessage[]
  readonly images: readonly Uint8Array[]
} {
  const images: Uint8Array[] = []
  const marked = messages.map((message) => {
    let { content } = message
    let before = ''
    for (const image of message.images ?? []) {
      const marker = `[img-${images.length}]`
      images.push(image)
      if (content.includes('[img]')) content = content.replace('[img]', marker)
      else before += marker
    }
    return { ...message, content: before + content }
  })
  return { messages: marked, images }
}
