/** The messages layer: what every conversation of a model begins with, in Ollama's fields. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ChatMessage, ToolCall } from '../../protocols/chat.ts'
import { layersOf, type Manifest, readJson } from './manifest.ts'
import { StoreError } from './store-error.ts'

const text = Type.Optional(Type.String())

const StoredCall = Type.Object({
  id: text,
  function: Type.Object({
    index: Type.Optional(Type.Integer({ minimum: 0 })),
    name: Type.String(),
    arguments: Type.Record(Type.String(), Type.Unknown()),
  }),
})

const StoredMessage = Type.Object({
  role: Type.String(),
  content: Type.String(),
  thinking: text,
  /** Base64. */
  images: Type.Optional(Type.Array(Type.String())),
  tool_calls: Type.Optional(Type.Array(StoredCall)),
  tool_name: text,
  tool_call_id: text,
})
export type StoredMessage = Static<typeof StoredMessage>

const check = Compile(Type.Array(StoredMessage))

/** As the layer has them. Throws a StoreError when it is no list of messages. */
export async function readMessages(
  manifest: Manifest,
  blobPath: (digest: string) => string,
): Promise<readonly StoredMessage[]> {
  const [layer] = layersOf(manifest, 'messages')
  if (layer === undefined) return []
  const path = blobPath(layer.digest)
  const messages = await readJson(path)
  if (check.Check(messages)) return messages
  throw new StoreError('corrupt', `${path} is not a JSON array of messages. Pull or import the model again.`)
}

/** In the order of Ollama's encoder, so that the same messages have the same bytes everywhere. */
export function storedMessage(message: ChatMessage): StoredMessage {
  const { role, content, thinking, images = [], toolCalls = [], toolName, toolCallId } = message
  return {
    role,
    content,
    ...(thinking ? { thinking } : {}),
    ...(images.length === 0 ? {} : { images: images.map((image) => Buffer.from(image).toString('base64')) }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(storedCall) }),
    ...(toolName ? { tool_name: toolName } : {}),
    ...(toolCallId ? { tool_call_id: toolCallId } : {}),
  }
}

function storedCall({ id, index, name, arguments: given }: ToolCall): Static<typeof StoredCall> {
  return { ...(id === '' ? {} : { id }), function: { index, name, arguments: { ...given } } }
}

/** As a conversation has it. */
export function chatMessage(stored: StoredMessage): ChatMessage {
  const { role, content, thinking, images = [], tool_calls = [], tool_name, tool_call_id } = stored
  return {
    role,
    content,
    ...(thinking ? { thinking } : {}),
    ...(images.length === 0 ? {} : { images: images.map((image) => Buffer.from(image, 'base64')) }),
    ...(tool_calls.length === 0 ? {} : { toolCalls: tool_calls.map(callOf) }),
    ...(tool_name ? { toolName: tool_name } : {}),
    ...(tool_call_id ? { toolCallId: tool_call_id } : {}),
  }
}

function callOf({ id = '', function: { index = 0, name, arguments: given } }: Static<typeof StoredCall>): ToolCall {
  return { id, index, name, arguments: given }
}
