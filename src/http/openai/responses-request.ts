/** The input of OpenAI's Responses as messages of the native API. Nothing is kept between two requests. */
import { type Static, Type } from 'typebox'
import type { ChatMessage, Format, Tool } from '../../../protocols/chat.ts'
import { maxMessages } from '../../../protocols/infer-request.ts'
import { ApiError } from '../errors.ts'
import { argumentsOf, imageOf } from './content.ts'

const ToolFields = Type.Object({
  type: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  /** Of a namespace. */
  tools: Type.Optional(Type.Array(Type.Unknown())),
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
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export type ResponsesRequest = Static<typeof ResponsesRequest>

type Item = Readonly<Record<string, unknown>>

/** The instructions first, then what was said. Throws ApiError `bad-field`. */
export function inputMessages({ input, instructions }: ResponsesRequest): readonly ChatMessage[] {
  const system: ChatMessage[] = instructions ? [{ role: 'system', content: instructions }] : []
  if (typeof input === 'string') return [...system, { role: 'user', content: input }]
  if (!Array.isArray(input) || input.length === 0) throw new ApiError('bad-field', 'input is required')
  const conversation = new Conversation()
  for (const item of input) {
    if (typeof item !== 'object' || item === null) throw new ApiError('bad-field', 'an item of input must be an object')
    conversation.take(item as Item)
    if (conversation.messages.length > maxMessages) {
      throw new ApiError('bad-field', `there are more than ${maxMessages} items in input`)
    }
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
      throw new ApiError('bad-field', `unsupported item of input: ${String(type).slice(0, 100)}`)
    }
  }

  #say({ role, content }: Item): void {
    const parts = contentOf(content)
    const message = { role: roleOf(role), ...parts }
    this.messages.push(message.role === 'assistant' ? { ...message, ...this.#thoughts() } : message)
  }

  #call({ call_id, name, arguments: text }: Item): void {
    const [id, called] = [String(call_id ?? ''), String(name ?? '')]
    this.#toolNames.set(id, called)
    const last = this.messages.at(-1)
    const calls = last?.role === 'assistant' && last.content === '' ? (last.toolCalls ?? []) : []
    const call = { id, index: calls.length, name: called, arguments: argumentsOf(String(text ?? '')) }
    if (last !== undefined && calls.length > 0) this.messages.splice(-1, 1, { ...last, toolCalls: [...calls, call] })
    else this.messages.push({ role: 'assistant', content: '', ...this.#thoughts(), toolCalls: [call] })
  }

  #answer({ call_id, output }: Item): void {
    const id = String(call_id ?? '')
    const toolName = this.#toolNames.get(id)
    const named = toolName === undefined ? {} : { toolName }
    this.messages.push({ role: 'tool', ...contentOf(output), toolCallId: id, ...named })
  }

  #thoughts(): { readonly thinking?: string } {
    const thinking = this.#thinking
    this.#thinking = ''
    return thinking === '' ? {} : { thinking }
  }
}

/** Who writes software speaks to the model as OpenAI's developers do. */
function roleOf(role: unknown): string {
  const text = typeof role === 'string' ? role.toLowerCase() : 'user'
  return text === 'developer' ? 'system' : text
}

/** This node gives thoughts back in the clear, under both names. */
function thoughtsIn({ encrypted_content, summary }: Item): string {
  if (typeof encrypted_content === 'string' && encrypted_content !== '') return encrypted_content
  if (!Array.isArray(summary)) return ''
  return summary.map((part: { readonly text?: unknown } | null) => String(part?.text ?? '')).join('')
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
    else throw new ApiError('bad-field', `unsupported part of content: ${String(part?.type).slice(0, 100)}`)
  }
  return images.length === 0 ? { content: text } : { content: text, images }
}

/** Tools that the client runs, those of a namespace with its name in front; what OpenAI would run itself is left out. */
export function functionTools({ tools = [], tool_choice }: ResponsesRequest): readonly Tool[] {
  return tool_choice === 'none' ? [] : tools.flatMap((tool) => toolsIn(tool, ''))
}

function toolsIn(
  { type = 'function', name = '', description, parameters, tools = [] }: ToolFields,
  prefix: string,
): Tool[] {
  if (type === 'namespace' && prefix === '') {
    return tools.flatMap((member) =>
      typeof member === 'object' && member !== null ? toolsIn(member as ToolFields, `${name}.`) : [],
    )
  }
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
