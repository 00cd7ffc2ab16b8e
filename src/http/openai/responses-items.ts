/** The parts of a response, as OpenAI's Responses name them, and the response around them. */
import type { ToolCall } from '../../../protocols/chat.ts'
import type { InferResult } from '../../../protocols/infer.ts'
import { newId } from '../surface.ts'
import { unixSeconds } from './format.ts'
import type { ResponsesRequest } from './responses-request.ts'

export interface ResponseHead {
  readonly id: string
  readonly createdAt: number
  readonly model: string
  readonly fields: ResponsesRequest
}

export const textPart = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] })

export function reasoningItem(id: string, text: string): object {
  const summary = text === '' ? [] : [{ type: 'summary_text', text }]
  return { id, type: 'reasoning', summary, encrypted_content: text }
}

export function messageItem(id: string, text: string | undefined): object {
  const isDone = text !== undefined
  const content = isDone ? [textPart(text)] : []
  return { id, type: 'message', status: isDone ? 'completed' : 'in_progress', role: 'assistant', content }
}

export function callItem(id: string, { id: callId, name, arguments: args }: ToolCall, isDone: boolean): object {
  return {
    id,
    type: 'function_call',
    status: isDone ? 'completed' : 'in_progress',
    call_id: callId,
    name,
    arguments: isDone ? JSON.stringify(args) : '',
  }
}

export const itemIds = {
  reasoning: () => newId('rs_'),
  message: () => newId('msg_'),
  call: () => newId('fc_'),
} as const

/** The response without what was said, as its first events show it. */
export function emptyResponse({ id, createdAt, model, fields }: ResponseHead): Record<string, unknown> {
  const { instructions, max_output_tokens, temperature = 1, top_p = 1, tools = [], tool_choice = 'auto' } = fields
  return {
    id,
    object: 'response',
    created_at: createdAt,
    completed_at: null,
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: instructions ?? null,
    max_output_tokens: max_output_tokens ?? null,
    max_tool_calls: null,
    metadata: fields.metadata ?? {},
    model,
    output: [],
    parallel_tool_calls: true,
    presence_penalty: 0,
    frequency_penalty: 0,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: fields.reasoning?.effort ?? null, summary: fields.reasoning?.summary ?? null },
    safety_identifier: null,
    service_tier: 'default',
    store: false,
    temperature,
    text: { format: fields.text?.format ?? { type: 'text' } },
    tool_choice,
    tools,
    top_logprobs: 0,
    top_p,
    truncation: 'disabled',
    usage: null,
  }
}

export function completedResponse(head: ResponseHead, output: readonly object[], result: InferResult, nowMs: number) {
  return {
    ...emptyResponse(head),
    status: 'completed',
    completed_at: unixSeconds(nowMs),
    output,
    usage: {
      input_tokens: result.promptTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: result.evalTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: result.promptTokens + result.evalTokens,
    },
  }
}
