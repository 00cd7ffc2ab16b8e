/** Anthropic's messages as those of the native API. */
import { type Static, Type } from 'typebox'
import type { ChatMessage, Think, Tool, ToolCall } from '../../../protocols/chat.ts'
import { maxMessages } from '../../../protocols/infer-request.ts'
import { ApiError } from '../errors.ts'
import { shown } from '../fields.ts'
import { imageBytes } from '../images.ts'

export const MessagesRequest = Type.Object({
  model: Type.Optional(Type.String()),
  max_tokens: Type.Optional(Type.Integer()),
  messages: Type.Optional(
    Type.Array(
      Type.Object({ role: Type.Optional(Type.String({ maxLength: 512 })), content: Type.Optional(Type.Unknown()) }),
    ),
  ),
  system: Type.Optional(Type.Unknown()),
  stream: Type.Optional(Type.Boolean()),
  stop_sequences: Type.Optional(Type.Array(Type.String())),
  temperature: Type.Optional(Type.Number()),
  top_p: Type.Optional(Type.Number()),
  top_k: Type.Optional(Type.Integer()),
  thinking: Type.Optional(Type.Object({ type: Type.Optional(Type.String()) })),
  output_config: Type.Optional(
    Type.Object({
      effort: Type.Optional(Type.String()),
      format: Type.Optional(
        Type.Object({
          type: Type.Optional(Type.String()),
          schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
        }),
      ),
    }),
  ),
  tools: Type.Optional(
    Type.Array(
      Type.Object({
        type: Type.Optional(Type.String()),
        name: Type.Optional(Type.String()),
        description: Type.Optional(Type.String()),
        input_schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      }),
    ),
  ),
  tool_choice: Type.Optional(Type.Object({ type: Type.Optional(Type.String()) })),
})
export type MessagesRequest = Static<typeof MessagesRequest>

/** The system text first, then every message. Throws ApiError `bad-field`. */
export function conversationOf({ system: given, messages = [] }: MessagesRequest): readonly ChatMessage[] {
  if (messages.length === 0) throw new ApiError('bad-field', 'messages is required')
  const systemText = textOf(given, 'system')
  const system: ChatMessage[] = systemText === '' ? [] : [{ role: 'system', content: systemText }]
  const toolNames = new Map<string, string>()
  const said = messages.flatMap(({ role = '', content }) => messagesOf(role.toLowerCase(), content, toolNames))
  if (said.length >= maxMessages) throw new ApiError('bad-field', `there are more than ${maxMessages} messages`)
  return [...system, ...said]
}

/** A text, or the texts of blocks one after the other. */
function textOf(value: unknown, where: string): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  return blocksOf(value, where)
    .map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : ''))
    .join('')
}

type Block = Readonly<Record<string, unknown>> & { readonly type?: unknown }

function blocksOf(value: unknown, where: string): readonly Block[] {
  const areBlocks = Array.isArray(value) && value.every((block) => typeof block === 'object' && block !== null)
  if (areBlocks) return value
  throw new ApiError('bad-field', `${where} must be a text or a list of blocks`)
}

/** Text, images, thoughts and calls of one message are one; each result of a tool is a message of its own, before it. */
function messagesOf(role: string, content: unknown, toolNames: Map<string, string>): readonly ChatMessage[] {
  if (typeof content === 'string') return [{ role, content }]
  const results: ChatMessage[] = []
  const message = new Message(role)
  for (const block of blocksOf(content, 'the content of a message')) {
    if (block.type === 'tool_result') results.push(resultOf(block, toolNames))
    else message.take(block, toolNames)
  }
  return message.isEmpty && results.length > 0 ? results : [...results, message.whole()]
}

class Message {
  readonly #role: string
  readonly #images: Uint8Array[] = []
  readonly #calls: ToolCall[] = []
  #text = ''
  #thinking = ''

  constructor(role: string) {
    this.#role = role
  }

  get isEmpty(): boolean {
    return this.#text === '' && this.#thinking === '' && this.#images.length === 0 && this.#calls.length === 0
  }

  take(block: Block, toolNames: Map<string, string>): void {
    switch (block.type) {
      case 'text':
        this.#text += stringIn(block, 'text')
        return
      case 'image':
        this.#images.push(imageIn(block))
        return
      case 'thinking':
        this.#thinking += stringIn(block, 'thinking')
        return
      case 'tool_use': {
        const [id, name] = [stringIn(block, 'id'), stringIn(block, 'name')]
        toolNames.set(id, name)
        this.#calls.push({ id, index: this.#calls.length, name, arguments: inputIn(block) })
        return
      }
      case 'redacted_thinking':
      case 'server_tool_use':
      case 'web_search_tool_result':
        // Of another server's making: nothing that this model has said or could read.
        return
      default:
        throw new ApiError('bad-field', `unsupported content block: ${shown(block.type)}`)
    }
  }

  whole(): ChatMessage {
    return {
      role: this.#role,
      content: this.#text,
      ...(this.#thinking === '' ? {} : { thinking: this.#thinking }),
      ...(this.#images.length === 0 ? {} : { images: this.#images }),
      ...(this.#calls.length === 0 ? {} : { toolCalls: this.#calls }),
    }
  }
}

function resultOf(block: Block, toolNames: ReadonlyMap<string, string>): ChatMessage {
  const id = stringIn(block, 'tool_use_id')
  const toolName = toolNames.get(id)
  const { content } = block
  const images = Array.isArray(content) ? blocksOf(content, 'a result').filter(({ type }) => type === 'image') : []
  return {
    role: 'tool',
    content: textOf(content ?? undefined, 'the content of a tool_result'),
    toolCallId: id,
    ...(toolName === undefined ? {} : { toolName }),
    ...(images.length === 0 ? {} : { images: images.map(imageIn) }),
  }
}

function stringIn(block: Block, field: string): string {
  const value = block[field]
  if (typeof value === 'string') return value
  throw new ApiError('bad-field', `a block of the type ${shown(block.type)} needs ${field}, a text`)
}

function inputIn(block: Block): ToolCall['arguments'] {
  const { input = {} } = block
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input as ToolCall['arguments']
  throw new ApiError('bad-field', 'the input of a tool_use block must be an object')
}

function imageIn(block: Block): Uint8Array {
  const source = block.source as { readonly type?: unknown; readonly data?: unknown } | undefined
  if (source?.type === 'base64' && typeof source.data === 'string') return imageBytes(source.data)
  throw new ApiError('bad-field', 'images must be given as base64: their URLs are not fetched')
}

/** Tools that the client runs; those that Anthropic would run itself have no schema and are left out. */
export function clientTools({ tools = [], tool_choice }: MessagesRequest): readonly Tool[] {
  if (tool_choice?.type === 'none') return []
  return tools
    .filter(({ type = 'custom' }) => type === 'custom')
    .map(({ name = '', description, input_schema }) => ({
      type: 'function',
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        ...(input_schema === undefined ? {} : { parameters: input_schema }),
      },
    }))
}

const efforts: Readonly<Record<string, Think>> = {
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'max',
}

/** How hard to think; undefined: as the model does by itself. Throws ApiError `bad-field`. */
export function thinkOf({ thinking, output_config }: MessagesRequest): Think | undefined {
  if (thinking?.type === 'disabled') return false
  const { effort } = output_config ?? {}
  if (effort === undefined) return thinking?.type === undefined ? undefined : true
  const think = efforts[effort.toLowerCase()]
  if (think === undefined) throw new ApiError('bad-field', `invalid effort: '${effort.slice(0, 100)}'`)
  return think
}

/** What is not given is the model's to say. */
export function optionsOf(fields: MessagesRequest): Record<string, unknown> {
  const { max_tokens, stop_sequences, temperature, top_p, top_k } = fields
  return {
    num_predict: max_tokens,
    ...(stop_sequences === undefined ? {} : { stop: stop_sequences }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_p === undefined ? {} : { top_p }),
    ...(top_k === undefined ? {} : { top_k }),
  }
}
