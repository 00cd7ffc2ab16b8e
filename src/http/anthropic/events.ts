/** A message as Anthropic's stream tells it: events that begin, fill and end one block after the other. */
import type { ToolCall } from '../../../protocols/chat.ts'
import type { InferResult } from '../../../protocols/infer.ts'
import type { TokenFrame } from '../answer.ts'
import { eventHeaders, namedEvent } from '../sse.ts'
import { addsSomething, type StreamFormat } from '../stream.ts'
import { errorBody } from '../surface.ts'
import { sendError } from '../wire.ts'
import type { Message } from './answers.ts'

export interface MessageHead {
  readonly id: string
  readonly model: string
  /** How long the prompt may be, in tokens: nobody knows before it was evaluated. */
  readonly estimatedTokens: number
}

export const usageOf = ({ promptTokens, evalTokens }: InferResult) => ({
  input_tokens: promptTokens,
  output_tokens: evalTokens,
})

/** Why the message ends. That a text stopped it is the engine's secret: which one, nobody says. */
export function stopReason({ reason }: InferResult, hasCalls: boolean): Message['stop_reason'] {
  if (reason === 'length') return 'max_tokens'
  return hasCalls ? 'tool_use' : 'end_turn'
}

export const callBlock = ({ id, name, arguments: input }: ToolCall) => ({ type: 'tool_use', id, name, input }) as const

const event = (type: string, rest: object): string => namedEvent(type, { type, ...rest })

type BlockKind = 'thinking' | 'text'

export class MessageEvents implements StreamFormat {
  readonly headers = eventHeaders
  readonly #head: MessageHead
  #began = false
  #index = -1
  #open: BlockKind | undefined
  #called = false

  constructor(head: MessageHead) {
    this.#head = head
  }

  delta(frame: TokenFrame): string {
    if (!addsSomething(frame)) return ''
    const { text, thinking = '', toolCalls = [] } = frame
    return (
      this.#begin() +
      (thinking === '' ? '' : this.#fill('thinking', { type: 'thinking_delta', thinking })) +
      (text === '' ? '' : this.#fill('text', { type: 'text_delta', text })) +
      toolCalls.map((call) => this.#call(call)).join('')
    )
  }

  final(result: InferResult): string {
    return (
      this.#begin() +
      this.#close() +
      event('message_delta', {
        delta: { stop_reason: stopReason(result, this.#called), stop_sequence: null },
        usage: usageOf(result),
      }) +
      event('message_stop', {})
    )
  }

  failure: StreamFormat['failure'] = (error) => {
    const { status, words } = error.on('chat')
    return namedEvent('error', errorBody('anthropic', status, words) as object)
  }

  refuse: StreamFormat['refuse'] = (reply, error) => {
    const { status, words } = error.on('chat')
    sendError(reply, status, words, { surface: 'anthropic' })
  }

  #begin(): string {
    if (this.#began) return ''
    this.#began = true
    const { id, model, estimatedTokens } = this.#head
    const usage = { input_tokens: estimatedTokens, output_tokens: 0 }
    const message = {
      id,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
    }
    return event('message_start', { message: { ...message, usage } })
  }

  #fill(kind: BlockKind, delta: object): string {
    const opening =
      this.#open === kind ? '' : this.#close() + this.#start({ type: kind, [kind]: '', ...signature(kind) })
    this.#open = kind
    return opening + event('content_block_delta', { index: this.#index, delta })
  }

  /** The whole of its input in one piece: an engine tells a call when it has read it to its end. */
  #call({ id, name, arguments: input }: ToolCall): string {
    this.#called = true
    const text =
      this.#close() +
      this.#start({ type: 'tool_use', id, name, input: {} }) +
      event('content_block_delta', {
        index: this.#index,
        delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) },
      })
    return text + event('content_block_stop', { index: this.#index })
  }

  #start(block: object): string {
    this.#index += 1
    return event('content_block_start', { index: this.#index, content_block: block })
  }

  #close(): string {
    if (this.#open === undefined) return ''
    this.#open = undefined
    return event('content_block_stop', { index: this.#index })
  }
}

/** Nobody signs thoughts here; clients want the field. */
const signature = (kind: BlockKind): object => (kind === 'thinking' ? { signature: '' } : {})
