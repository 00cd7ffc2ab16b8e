/** The messages of OpenAI's requests as those of the native API. */
import { type Static, Type } from 'typebox'
import type { ChatMessage, ToolCall } from '../../../protocols/chat.ts'
import { goTypeOf } from '../../../protocols/go-type.ts'
import { maxMessages } from '../../../protocols/infer-request.ts'
import { ApiError } from '../errors.ts'
import { imageBytes } from '../images.ts'

const ToolCallFields = Type.Object({
  id: Type.Optional(Type.String()),
  function: Type.Optional(Type.Object({ name: Type.Optional(Type.String()), arguments: Type.Optional(Type.String()) })),
})

export const MessageFields = Type.Object({
  role: Type.Optional(Type.String({ maxLength: 512 })),
  content: Type.Optional(Type.Unknown()),
  reasoning: Type.Optional(Type.String()),
  tool_calls: Type.Optional(Type.Array(ToolCallFields)),
  name: Type.Optional(Type.String()),
  tool_call_id: Type.Optional(Type.String()),
})
type MessageFields = Static<typeof MessageFields>

/** Every part of a content becomes a message of its own, as Ollama has it. Throws ApiError `bad-field`. */
export function chatMessagesOf(messages: readonly MessageFields[]): readonly ChatMessage[] {
  if (messages.length === 0) throw new ApiError('bad-field', "[] is too short - 'messages'")
  const count = messages.reduce((sum, { content }) => sum + (Array.isArray(content) ? content.length || 1 : 1), 0)
  if (count > maxMessages) {
    throw new ApiError('bad-field', `there are more than ${maxMessages} messages and parts of messages`)
  }
  const toolNames = new Map<string, string>()
  return messages.flatMap((message) => {
    for (const { id, function: called } of message.tool_calls ?? []) toolNames.set(id ?? '', called?.name ?? '')
    return partsOf(message, toolNames)
  })
}

function partsOf(message: MessageFields, toolNames: ReadonlyMap<string, string>): readonly ChatMessage[] {
  const role = roleOf(message.role)
  const extras = extrasOf(message, toolNames)
  const { content } = message
  if (typeof content === 'string') return [{ role, content, ...extras }]
  if (content === undefined && message.tool_calls !== undefined) return [{ role, content: '', ...extras }]
  if (!Array.isArray(content)) throw new ApiError('bad-field', `invalid message content type: ${goTypeOf(content)}`)
  // What says nothing may still call a tool, or be what a tool has to say.
  const parts = content.length === 0 ? [{ role, content: '' }] : content.map((part) => ({ role, ...contentOf(part) }))
  // What belongs to the message as a whole stands at its last part.
  return parts.map((part, index) => (index === parts.length - 1 ? { ...part, ...extras } : part))
}

/** Who writes software speaks to the model as OpenAI's developers do, in a role that no template knows. */
export function roleOf(role = ''): string {
  const known = role.toLowerCase()
  return known === 'developer' ? 'system' : known
}

function extrasOf(message: MessageFields, toolNames: ReadonlyMap<string, string>): Partial<ChatMessage> {
  const { reasoning, tool_calls = [], tool_call_id } = message
  const toolName = message.name || (tool_call_id === undefined ? undefined : toolNames.get(tool_call_id))
  return {
    ...(reasoning ? { thinking: reasoning } : {}),
    ...(tool_calls.length === 0 ? {} : { toolCalls: tool_calls.map(callOf) }),
    ...(toolName && roleOf(message.role) === 'tool' ? { toolName } : {}),
    ...(tool_call_id ? { toolCallId: tool_call_id } : {}),
  }
}

function callOf({ id = '', function: called = {} }: Static<typeof ToolCallFields>, index: number): ToolCall {
  return { id, index, name: called.name ?? '', arguments: argumentsOf(called.arguments) }
}

/** The JSON text of an object; nothing stands for none. Throws ApiError `bad-field`. */
export function argumentsOf(text = ''): ToolCall['arguments'] {
  try {
    const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as ToolCall['arguments']
  } catch {
    // Said below, the same for what is no JSON and for what is no object.
  }
  throw new ApiError('bad-field', 'invalid tool call arguments')
}

interface Part {
  readonly type?: unknown
  readonly text?: unknown
  readonly image_url?: unknown
}

function contentOf(part: Part | null): Pick<ChatMessage, 'content' | 'images'> {
  if (part?.type === 'text' && typeof part.text === 'string') return { content: part.text }
  if (part?.type === 'image_url') {
    const url = (part.image_url as { readonly url?: unknown } | null)?.url ?? part.image_url
    if (typeof url === 'string') return { content: '', images: [imageOf(url)] }
  }
  if (part?.type === 'input_audio') throw new ApiError('bad-field', 'no engine of this cluster can hear audio')
  throw new ApiError('bad-field', 'invalid message format')
}

const imageUri = /^data:(image\/(jpeg|jpg|png|webp))?;base64,/

/** An image in a `data:` URL. Throws ApiError `bad-field`. */
export function imageOf(url: string): Uint8Array {
  if (/^https?:\/\//i.test(url)) {
    throw new ApiError('bad-field', 'image URLs are not currently supported, please use base64 encoded data instead')
  }
  if (!imageUri.test(url)) throw new ApiError('bad-field', 'invalid image input')
  return imageBytes(url)
}
