/** Requests in Ollama's words, and its lines as frames. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ChatMessage, TokenLogprob, Tool, ToolCall } from '../../../protocols/chat.ts'
import type { InferFrame, InferRequest, InferResult } from '../../../protocols/infer.ts'
import type { Line } from '../remote/client.ts'
import type { AnswerWork } from '../remote/engine.ts'

/** The path and the body of a streamed answer. */
export function answerRequest(
  request: InferRequest,
  work: AnswerWork,
  model: string,
): { readonly path: string; readonly body: unknown } {
  const { options, truncate, shift, logprobs, renderOnly } = request
  const shared = {
    model,
    options,
    truncate,
    shift,
    format: work.format,
    think: work.think,
    // The worker decides how long the model stays.
    keep_alive: -1,
    stream: renderOnly !== true,
    ...(logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs }),
    ...(renderOnly === true ? { _debug_render_only: true } : {}),
  }
  if (work.kind === 'chat') {
    const messages = work.messages.map(messageBody)
    return { path: '/api/chat', body: { ...shared, messages, tools: work.tools satisfies readonly Tool[] | undefined } }
  }
  const { prompt, suffix, system, template, raw, context, images } = work
  const asked = { prompt, suffix, system, template, raw, context, images: images?.map(base64) }
  return { path: '/api/generate', body: { ...shared, ...asked } }
}

function messageBody(message: ChatMessage): unknown {
  const { role, content, thinking, images, toolCalls, toolName, toolCallId } = message
  return {
    role,
    content,
    thinking,
    images: images?.map(base64),
    tool_calls: toolCalls?.map(({ id, index, name, arguments: args }) => ({
      id,
      function: { index, name, arguments: args },
    })),
    tool_name: toolName,
    tool_call_id: toolCallId,
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

const count = Type.Optional(Type.Number({ minimum: 0 }))
const text = Type.Optional(Type.String())
const logprobRow = Type.Object({ token: Type.String(), logprob: Type.Number() })

/** What is read of a line of `generate` or `chat`; anything else in it is ignored. */
const AnswerLine = Type.Object({
  done: Type.Boolean(),
  response: text,
  thinking: text,
  message: Type.Optional(
    Type.Object({ content: text, thinking: text, tool_calls: Type.Optional(Type.Array(Type.Unknown())) }),
  ),
  tool_calls: Type.Optional(Type.Array(Type.Unknown())),
  done_reason: text,
  context: Type.Optional(Type.Array(Type.Integer({ minimum: 0 }))),
  prompt_eval_count: count,
  prompt_eval_duration: count,
  eval_count: count,
  eval_duration: count,
  logprobs: Type.Optional(
    Type.Array(Type.Object({ ...logprobRow.properties, top_logprobs: Type.Optional(Type.Array(logprobRow)) })),
  ),
  _debug_info: Type.Optional(Type.Object({ rendered_template: Type.String(), image_count: count })),
})
type AnswerLine = Static<typeof AnswerLine>

const answerLine = Compile(AnswerLine)

const ToolCallLine = Compile(
  Type.Object({
    id: text,
    function: Type.Object({
      index: Type.Optional(Type.Integer({ minimum: 0 })),
      name: Type.String(),
      arguments: Type.Record(Type.String(), Type.Unknown()),
    }),
  }),
)

/** Frames of one line; the last of an answer brings `done`. Throws an Error for a line that is none of these routes'. */
export function framesOf(line: Line): InferFrame[] {
  if (!answerLine.Check(line)) throw new Error(`a line that no Ollama writes: ${JSON.stringify(line).slice(0, 200)}`)
  const { _debug_info: debug } = line
  if (debug !== undefined) {
    return [{ kind: 'rendered', prompt: debug.rendered_template, images: debug.image_count ?? 0 }, doneOf(line)]
  }
  const delta = deltaOf(line)
  return [...(delta === undefined ? [] : [delta]), ...(line.done ? [doneOf(line)] : [])]
}

/** Ollama names no tokens: an answer of its own cannot be continued elsewhere, token by token. */
function deltaOf(line: AnswerLine): InferFrame | undefined {
  const words = line.response ?? line.message?.content ?? ''
  const thinking = line.thinking ?? line.message?.thinking ?? ''
  const calls = (line.message?.tool_calls ?? line.tool_calls ?? []).filter((call) => ToolCallLine.Check(call))
  const logprobs = line.logprobs ?? []
  if (words === '' && thinking === '' && calls.length === 0 && logprobs.length === 0) return undefined
  return {
    kind: 'token',
    index: 0,
    tokens: [],
    text: words,
    ...(thinking === '' ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { toolCalls: calls.map(toolCall) }),
    ...(logprobs.length === 0 ? {} : { logprobs: logprobs.map(logprob) }),
  }
}

function toolCall(call: { id?: string; function: { index?: number; name: string; arguments: object } }): ToolCall {
  const { index = 0, name, arguments: args } = call.function
  return { id: call.id ?? '', index, name, arguments: args as ToolCall['arguments'] }
}

function logprob({ token, logprob, top_logprobs }: NonNullable<AnswerLine['logprobs']>[number]): TokenLogprob {
  const top = top_logprobs?.map((row) => ({ token: row.token, logprob: row.logprob }))
  return top === undefined ? { token, logprob } : { token, logprob, top }
}

function doneOf(line: AnswerLine): Extract<InferFrame, { kind: 'done' }> {
  const reason = line.done_reason === 'length' || line.done_reason === 'load' ? line.done_reason : 'stop'
  const result: InferResult = {
    reason,
    promptTokens: line.prompt_eval_count ?? 0,
    cachedTokens: 0,
    promptNs: line.prompt_eval_duration ?? 0,
    evalTokens: line.eval_count ?? 0,
    evalNs: line.eval_duration ?? 0,
    loadNs: 0,
    // The answer's tokens are in it already: there are no others to append.
    ...(line.context === undefined ? {} : { promptTokenIds: line.context }),
  }
  return { kind: 'done', ...result }
}
