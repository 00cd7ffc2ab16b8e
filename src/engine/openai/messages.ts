/** Conversations in OpenAI's words. */
import type { ChatMessage, ToolCall } from '../../../protocols/chat.ts'

/** Every call has an id here and every answer names one: Ollama's clients may leave both out. */
export function messagesBody(messages: readonly ChatMessage[]): unknown[] {
  const open: { readonly id: string; readonly name: string }[] = []
  return messages.map((message, at) => {
    const { role, content, thinking, images = [], toolCalls = [] } = message
    if (role === 'tool') return { role, content, tool_call_id: answered(message, open) }
    const calls = toolCalls.map((call, index) => ({ ...call, id: call.id || `call_${at}_${index}` }))
    open.push(...calls)
    return {
      role,
      content: images.length === 0 ? content : [...images.map(imagePart), { type: 'text', text: content }],
      // Servers read one or the other.
      ...(thinking ? { reasoning: thinking, reasoning_content: thinking } : {}),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(callBody) }),
    }
  })
}

/** Which of the open calls a tool's message answers: the one that it names, else its tool's first, else the first. */
function answered({ toolCallId, toolName }: ChatMessage, open: { readonly id: string; readonly name: string }[]) {
  const byName = open.findIndex(({ name }) => name === toolName)
  const at = toolCallId ? open.findIndex(({ id }) => id === toolCallId) : Math.max(byName, 0)
  const [call] = at < 0 ? [] : open.splice(at, 1)
  return toolCallId || (call?.id ?? '')
}

function callBody({ id, name, arguments: args }: ToolCall): unknown {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(args) } }
}

function imagePart(image: Uint8Array): unknown {
  const data = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  return { type: 'image_url', image_url: { url: `data:${typeOf(data)};base64,${data.toString('base64')}` } }
}

/** By its first bytes; JPEG where those say nothing. */
function typeOf(image: Buffer): string {
  if (image.subarray(1, 4).toString('latin1') === 'PNG') return 'image/png'
  if (image.subarray(8, 12).toString('latin1') === 'WEBP') return 'image/webp'
  return image.subarray(0, 3).toString('latin1') === 'GIF' ? 'image/gif' : 'image/jpeg'
}
