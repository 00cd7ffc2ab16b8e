/** A response as a stream of events: items that begin, fill and end, one after the other. */
import type { ToolCall } from '../../../protocols/chat.ts'
import type { InferResult } from '../../../protocols/infer.ts'
import type { TokenFrame } from '../answer.ts'
import { namedEvent } from '../sse.ts'
import { addsSomething, type StreamFormat } from '../stream.ts'
import { errorBody } from '../surface.ts'
import { openaiFormat } from './format.ts'
import {
  callItem,
  completedResponse,
  emptyResponse,
  itemIds,
  messageItem,
  type ResponseHead,
  reasoningItem,
  textPart,
} from './responses-items.ts'

/** The item that is being filled. */
interface OpenItem {
  readonly kind: 'reasoning' | 'message'
  readonly id: string
  text: string
}

const shared = openaiFormat('chat')

export class ResponseEvents implements StreamFormat {
  readonly headers = shared.headers
  readonly refuse = shared.refuse
  readonly #head: ResponseHead
  readonly #output: object[] = []
  #open: OpenItem | undefined
  #sequence = 0

  constructor(head: ResponseHead) {
    this.#head = head
  }

  delta(frame: TokenFrame): string {
    if (!addsSomething(frame)) return ''
    const { text, thinking = '', toolCalls = [] } = frame
    return (
      this.#begin() +
      (thinking === '' ? '' : this.#think(thinking)) +
      (text === '' ? '' : this.#say(text)) +
      toolCalls.map((call) => this.#call(call)).join('')
    )
  }

  final(result: InferResult, nowMs: number): string {
    const begun = this.#begin()
    // Who says nothing at all has said an empty text.
    const said = this.#output.length === 0 && this.#open === undefined ? this.#openMessage() : ''
    const ended = begun + said + this.#close()
    return (
      ended +
      this.#event('response.completed', { response: completedResponse(this.#head, this.#output, result, nowMs) })
    )
  }

  failure: StreamFormat['failure'] = (error) => {
    const { status, words } = error.on('chat')
    const { error: body } = errorBody('openai', status, words) as { readonly error: { readonly type: string } }
    return this.#event('error', { code: body.type, message: words, param: null, error: body })
  }

  #event(type: string, rest: object): string {
    return namedEvent(type, { type, sequence_number: this.#sequence++, ...rest })
  }

  #begin(): string {
    if (this.#sequence > 0) return ''
    const response = emptyResponse(this.#head)
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response })
  }

  /** The index that the item being filled has, or the next one will. */
  get #index(): number {
    return this.#output.length
  }

  #think(thinking: string): string {
    let text = ''
    if (this.#open?.kind !== 'reasoning') {
      text = this.#close()
      this.#open = { kind: 'reasoning', id: itemIds.reasoning(), text: '' }
      text += this.#added(reasoningItem(this.#open.id, ''))
    }
    this.#open.text += thinking
    const { id } = this.#open
    return (
      text +
      this.#event('response.reasoning_summary_text.delta', { ...this.#at(id), summary_index: 0, delta: thinking })
    )
  }

  #say(said: string): string {
    const text = this.#open?.kind === 'message' ? '' : this.#openMessage()
    const open = this.#open as OpenItem
    open.text += said
    const place = { ...this.#at(open.id), content_index: 0 }
    return text + this.#event('response.output_text.delta', { ...place, delta: said, logprobs: [] })
  }

  #openMessage(): string {
    const closed = this.#close()
    const id = itemIds.message()
    this.#open = { kind: 'message', id, text: '' }
    const place = { ...this.#at(id), content_index: 0 }
    return (
      closed +
      this.#added(messageItem(id, undefined)) +
      this.#event('response.content_part.added', { ...place, part: textPart('') })
    )
  }

  #close(): string {
    const open = this.#open
    if (open === undefined) return ''
    this.#open = undefined
    return open.kind === 'reasoning' ? this.#closeReasoning(open) : this.#closeMessage(open)
  }

  #closeReasoning({ id, text }: OpenItem): string {
    const done = this.#event('response.reasoning_summary_text.done', { ...this.#at(id), summary_index: 0, text })
    return done + this.#done(reasoningItem(id, text))
  }

  #closeMessage({ id, text }: OpenItem): string {
    const place = { ...this.#at(id), content_index: 0 }
    return (
      this.#event('response.output_text.done', { ...place, text, logprobs: [] }) +
      this.#event('response.content_part.done', { ...place, part: textPart(text) }) +
      this.#done(messageItem(id, text))
    )
  }

  /** Its arguments in one piece: an engine tells a call when it has read it to its end. */
  #call(call: ToolCall): string {
    const closed = this.#close()
    const id = itemIds.call()
    const text = JSON.stringify(call.arguments)
    return (
      closed +
      this.#added(callItem(id, call, false)) +
      this.#event('response.function_call_arguments.delta', { ...this.#at(id), delta: text }) +
      this.#event('response.function_call_arguments.done', { ...this.#at(id), name: call.name, arguments: text }) +
      this.#done(callItem(id, call, true))
    )
  }

  #at(id: string): { readonly item_id: string; readonly output_index: number } {
    return { item_id: id, output_index: this.#index }
  }

  #added(item: object): string {
    return this.#event('response.output_item.added', { output_index: this.#index, item })
  }

  #done(item: object): string {
    const text = this.#event('response.output_item.done', { output_index: this.#index, item })
    this.#output.push(item)
    return text
  }
}
