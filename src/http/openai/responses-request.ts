/** The input of OpenAI's Responses as messages of the native API. Nothing is kept between two requests. */
import { type Static, Type } from 'typebox'
import type { ChatMessage, Format, Tool } from '../../../protocols/chat.ts'
import { maxMessages } from '../../../protocols/infer-request.ts'
import { ApiError } from '../errors.ts'
import { shown } from '../fields.ts'
import { argumentsOf, imageOf, roleOf } from './content.ts'

const FunctionFields = Type.Object({
  type: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
type FunctionFields = Static<typeof FunctionFields>

const ToolFields = Type.Object({
  ...FunctionFields.properties,
  /** Of a namespace. */
  tools: Type.Optional(Type.Array(FunctionFields)),
})
type ToolFields = Static<typeof ToolFields>

export const ResponsesRequest = Type.Object({
  model: Type.Optional(Type.String()),
  input: Type.Optional(Type.Unknown()),
  instructions: Type.Optional(Type.String()),
  max_output_tokens: Type.Optional(Type.Integer()),
  temperature: Type.Optional(Type.Number()),
  top_p: Type.Optional(Type.Number()),
  reasoning: Type.Optional(
    Type.Object({ effort: Type.Optional(Type.String()), summary: Type.Optional(Type.Unknown()) }),
  ),
  text: Type.Optional(
    Type.Object({
      format: Type.Optional(
        Type.Object({
          type: Type.Optional(Type.String()),
          name: Type.Optional(Type.String()),
          schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
          strict: Type.Optional(Type.Boolean()),
        }),
      ),
    }),
  ),
  tools: Type.Optional(Type.Array(ToolFields)),
  tool_choice: Type.Optional(Type.Unknown()),
  stream: Type.Optional(Type.Boolean()),
  previous_response_id: Type.Optional(Type.String()),
  conversation: Type.Optional(Type.Unknown()),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export type ResponsesRequest = Static<typeof ResponsesRequest>

const nothingKept =
  'previous_response_id and conversation are not supported: nothing is kept between requests, send the whole conversation as input'

type Item = Readonly<Record<string, unknown>>

/** The instructions first, then what was said. Throws ApiError `bad-field`. */
export function inputMessages(fields: ResponsesRequest): readonly ChatMessage[] {
  const { input, instructions, previous_response_id, conversation: kept } = fields
  // Ollama answers as if nothing had been said before: a wrong answer, and nobody would know why.
  if (previous_response_id || kept !== undefined) throw new ApiError('bad-field', nothingKept)
  const system: ChatMessage[] = instructions ? [{ role: 'system', content: instructions }] : []
  if (typeof input === 'string') return [...system, { role: 'user', content: input }]
  if (!Array.isArray(input) || input.length === 0) throw new ApiError('bad-field', 'input is required')
  if (input.length > maxMessages) throw new ApiError('bad-field', `there are more than ${maxMessages} items in input`)
  const conversation = new Conversation()
  for (const item of input) {
    if (typeof item !== 'object' || item === null) throw new ApiError('bad-field', 'an item of input must be an object')
    conversation.take(item as Item)
  }
  return [...system, ...conversation.messages]
}

/** Thoughts belong to what the assistant says or calls next; calls that follow each other are of one message. */
class Conversation {
  readonly messages: ChatMessage[] = []
  readonly #toolNames = new Map<string, string>()
  #thinking = ''

  take(item: Item): void {
    const { type = 'message' } = item
    if (type === 'message') this.#say(item)
    else if (type === 'function_call') this.#call(item)
    else if (type === 'function_call_output') this.#answer(item)
    else if (type === 'reasoning') this.#thinking += thoughtsIn(item)
    // What a search of another server has found is in the text that follows it.
    else if (type !== 'web_search_call') {
      throw new ApiError('bad-field', `unsupported item of input: ${shown(type)}`)
    }
  }

  #say({ role, content }: Item): void {
    const parts = contentOf(content)
    const message = { role: roleOf(typeof role === 'string' ? role : 'user'), ...parts }
    this.messages.push(message.role === 'assistant' ? { ...message, ...this.#thoughts() } : message)
  }

  #call(item: Item): void {
    const [id, called] = [textIn(item, 'call_id'), textIn(item, 'name')]
    this.#toolNames.set(id, called)
    const last = this.messages.at(-1)
    const calls = last?.role === 'assistant' && last.content === '' ? (last.toolCalls ?? []) : []
    const call = { id, index: calls.length, name: called, arguments: argumentsOf(textIn(item, 'arguments')) }
    if (last !== undefined && calls.length > 0) this.messages.splice(-1, 1, { ...last, toolCalls: [...calls, call] })
    else this.messages.push({ role: 'assistant', content: '', ...this.#thoughts(), toolCalls: [call] })
  }

  #answer(item: Item): void {
    const id = textIn(item, 'call_id')
    const toolName = this.#toolNames.get(id)
    const named = toolName === undefined ? {} : { toolName }
    this.messages.push({ role: 'tool', ...contentOf(item.output), toolCallId: id, ...named })
  }

  #thoughts(): { readonly thinking?: string } {
    const thinking = this.#thinking
    this.#thinking = ''
    return thinking === '' ? {} : { thinking }
  }
}

/** A field that may be absent and must else be a text. Throws ApiError `bad-field`. */
function textIn(item: Item, field: string): string {
  const value = item[field] ?? ''
  if (typeof value === 'string') return value
  throw new ApiError('bad-field', `${field} of an item of input must be a text, not ${shown(value)}`)
}

/** This node gives thoughts back in the clear, under both names. */
function thoughtsIn({ encrypted_content, summary }: Item): string {
  if (typeof encrypted_content === 'string' && encrypted_content !== '') return encrypted_content
  if (!Array.isArray(summary)) return ''
  return summary
    .map((part: Item | null) => part?.text)
    .filter((text) => typeof text === 'string')
    .join('')
}

function contentOf(content: unknown): Pick<ChatMessage, 'content' | 'images'> {
  if (content === undefined || content === null) return { content: '' }
  if (typeof content === 'string') return { content }
  if (!Array.isArray(content)) throw new ApiError('bad-field', 'content must be a text or a list of parts')
  let text = ''
  const images: Uint8Array[] = []
  for (const part of content as readonly (Item | null)[]) {
    if (part?.type === 'input_image' && typeof part.image_url === 'string') images.push(imageOf(part.image_url))
    else if (typeof part?.text === 'string') text += part.text
    else throw new ApiError('bad-field', `unsupported part of content: ${shown(part?.type)}`)
  }
  return images.length === 0 ? { content: text } : { content: text, images }
}

/** Tools that the client runs, those of a namespace with its name in front; what OpenAI would run itself is left out. */
export function functionTools({ tools = [], tool_choice }: ResponsesRequest): readonly Tool[] {
  return tool_choice === 'none' ? [] : tools.flatMap(toolsIn)
}

function toolsIn(fields: ToolFields): Tool[] {
  const { type, name = '', tools = [] } = fields
  return type === 'namespace' ? tools.flatMap((member) => functionIn(member, `${name}.`)) : functionIn(fields, '')
}

function functionIn({ type = 'function', name = '', description, parameters }: FunctionFields, prefix: string): Tool[] {
  if (type !== 'function') return []
  const described = description === undefined ? {} : { description }
  return [
    { type, function: { name: prefix + name, ...described, ...(parameters === undefined ? {} : { parameters }) } },
  ]
}

/** Throws ApiError `bad-field`. */
export function textFormat({ text }: ResponsesRequest): Format | undefined {
  const { type, schema } = text?.format ?? {}
  if (type === 'json_object') return 'json'
  if (type !== 'json_schema') return undefined
  if (schema !== undefined) return schema
  throw new ApiError('bad-field', 'text.format of type json_schema needs a schema')
}
