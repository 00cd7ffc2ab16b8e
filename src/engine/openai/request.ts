/** Requests in OpenAI's words. */
import type { Format, Think } from '../../../protocols/chat.ts'
import type { InferRequest } from '../../../protocols/infer.ts'
import { checkedOptions } from '../options.ts'
import { RemoteError } from '../remote/client.ts'
import type { AnswerWork } from '../remote/engine.ts'
import { messagesBody } from './messages.ts'

/** The path and the body of a streamed answer. Throws a RemoteError for what cannot be asked so, and an OptionError. */
export function answerRequest(
  request: InferRequest,
  work: AnswerWork,
  id: string,
): { readonly path: string; readonly body: unknown } {
  refuseUnknown(request, work)
  const { logprobs } = request
  const shared = {
    model: id,
    stream: true,
    stream_options: { include_usage: true },
    ...samplingBody(request.options),
  }
  if (work.kind === 'generate' && work.raw) {
    const body = { ...shared, prompt: work.prompt, ...(logprobs === undefined ? {} : { logprobs }) }
    return { path: '/completions', body }
  }
  const probabilities = logprobs === 0 ? { logprobs: true } : { logprobs: true, top_logprobs: logprobs }
  const body = {
    ...shared,
    messages: messagesBody(conversation(work)),
    ...(work.kind === 'chat' && work.tools !== undefined ? { tools: work.tools } : {}),
    ...(work.format === undefined ? {} : { response_format: formatBody(work.format) }),
    ...thinkBody(work.think),
    ...(logprobs === undefined ? {} : probabilities),
  }
  return { path: '/chat/completions', body }
}

/** A prompt for a model's own template is the one question of a chat. */
function conversation(work: AnswerWork) {
  if (work.kind === 'chat') return work.messages
  const { system, prompt, images = [] } = work
  return [
    ...(system ? [{ role: 'system', content: system }] : []),
    { role: 'user', content: prompt, ...(images.length === 0 ? {} : { images }) },
  ]
}

/** Nobody is given an answer to something else than what was asked. */
function refuseUnknown({ model, renderOnly }: InferRequest, work: AnswerWork): void {
  const refuse = (what: string): never => {
    throw new RemoteError(400, `${model} does not support ${what}`)
  }
  if (renderOnly === true) refuse('showing its prompt')
  if (work.kind === 'chat') return
  const { suffix, template, context = [], raw, format, images = [] } = work
  if (suffix) refuse('insert')
  if (template) refuse('template')
  if (context.length > 0) refuse('context')
  if (raw && format !== undefined) refuse('format in raw mode')
  if (raw && images.length > 0) refuse('images in raw mode')
}

/** Only what was asked for: the rest is the server's choice. What OpenAI has no word for is left out. */
function samplingBody(options: InferRequest['options']): Record<string, unknown> {
  const { num_predict = -1, seed = -1, stop = [], ...rest } = checkedOptions(options)
  return {
    temperature: rest.temperature,
    top_p: rest.top_p,
    presence_penalty: rest.presence_penalty,
    frequency_penalty: rest.frequency_penalty,
    ...(num_predict > 0 ? { max_tokens: num_predict } : {}),
    ...(seed >= 0 ? { seed } : {}),
    ...(stop.length > 0 ? { stop } : {}),
  }
}

function formatBody(format: Format): unknown {
  if (format === 'json') return { type: 'json_object' }
  return { type: 'json_schema', json_schema: { name: 'answer', schema: format } }
}

/** A model that can think does so unless it is told not to; some servers know the one word, some the other. */
function thinkBody(think: Think | undefined): object {
  if (think === undefined || think === true) return {}
  if (think === false) return { reasoning_effort: 'none', chat_template_kwargs: { enable_thinking: false } }
  return { reasoning_effort: think }
}
