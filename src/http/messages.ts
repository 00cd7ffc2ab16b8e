/** The messages and tools of a chat as a client sends them, and the calls that an answer makes. */
import { type Static, Type } from 'typebox'
import type { ChatMessage, TokenLogprob, Tool, ToolCall } from '../../protocols/chat.ts'
import { maxMessages } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'
import { shown } from './fields.ts'
import { imageBytes } from './images.ts'
import { firstJsonValue } from './json-text.ts'

/** No template knows a role of even a tenth of this. */
const maxRoleLength = 512

const ToolCallFields = Type.Object({
  id: Type.Optional(Type.String()),
  function: Type.Optional(
    Type.Object({
      index: Type.Optional(Type.Integer({ minimum: 0 })),
      name: Type.Optional(Type.String()),
      arguments: Type.Optional(Type.Unknown()),
    }),
  ),
})

export const MessageFields = Type.Object({
  role: Type.Optional(Type.String({ maxLength: maxRoleLength })),
  content: Type.Optional(Type.String()),
  thinking: Type.Optional(Type.String()),
  images: Type.Optional(Type.Array(Type.String())),
  tool_calls: Type.Optional(Type.Array(ToolCallFields)),
  tool_name: Type.Optional(Type.String()),
  tool_call_id: Type.Optional(Type.String()),
})

export const ToolFields = Type.Object({
  type: Type.Optional(Type.String()),
  function: Type.Optional(
    Type.Object({
      name: Type.Optional(Type.String()),
      description: Type.Optional(Type.String()),
      parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    }),
  ),
})

/** Throws ApiError `bad-field`. */
export function messagesOf(messages: readonly Static<typeof MessageFields>[]): readonly ChatMessage[] {
  if (messages.length > maxMessages) {
    throw new ApiError('bad-field', `there are ${messages.length} messages: send at most ${maxMessages} in one request`)
  }
  return messages.map(messageOf)
}

function messageOf(fields: Static<typeof MessageFields>): ChatMessage {
  const { role = '', content = '', thinking, images, tool_calls, tool_name, tool_call_id } = fields
  return {
    role: role.toLowerCase(),
    content,
    ...(thinking ? { thinking } : {}),
    ...(images !== undefined && images.length > 0 ? { images: images.map(imageBytes) } : {}),
    ...(tool_calls !== undefined && tool_calls.length > 0 ? { toolCalls: tool_calls.map(callOf) } : {}),
    ...(tool_name ? { toolName: tool_name } : {}),
    ...(tool_call_id ? { toolCallId: tool_call_id } : {}),
  }
}

function callOf({ id = '', function: called = {} }: Static<typeof ToolCallFields>): ToolCall {
  const { index = 0, name = '', arguments: args = {} } = called
  return { id, index, name, arguments: argumentsOf(args) }
}

/** Ollama takes an object; the text of one, as OpenAI's clients keep it, means the same. */
function argumentsOf(args: unknown): ToolCall['arguments'] {
  const value = typeof args === 'string' ? firstJsonValue(args) : args
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as ToolCall['arguments']
  throw new ApiError('bad-field', `the arguments of a tool call must be an object, not ${shown(args)}`)
}

export function toolsOf(tools: readonly Static<typeof ToolFields>[]): readonly Tool[] {
  return tools.map(({ type = 'function', function: described = {} }) => {
    const { name = '', description, parameters } = described
    return {
      type,
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        ...(parameters === undefined ? {} : { parameters }),
      },
    }
  })
}

/** Calls as the native API writes them: arguments are an object. */
export function toolCallsJson(calls: readonly ToolCall[]): unknown[] {
  return calls.map(({ id, index, name, arguments: args }) => ({ id, function: { index, name, arguments: args } }))
}

export function logprobsJson(logprobs: readonly TokenLogprob[]): unknown[] {
  return logprobs.map(({ token, logprob, top }) => ({
    ...rowJson({ token, logprob }),
    ...(top === undefined ? {} : { top_logprobs: top.map(rowJson) }),
  }))
}

function rowJson({ token, logprob }: { readonly token: string; readonly logprob: number }) {
  return { token, logprob, bytes: [...Buffer.from(token)] }
}
