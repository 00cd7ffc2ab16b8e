/** What the streams of OpenAI's routes have in common. */
import type { FastifyReply } from 'fastify'
import type { InferResult } from '../../../protocols/infer.ts'
import type { ApiError, Endpoint } from '../errors.ts'
import { dataEvent, eventHeaders } from '../sse.ts'
import type { StreamFormat } from '../stream.ts'
import { errorBody } from '../surface.ts'
import { sendError } from '../wire.ts'

/** What Ollama calls itself here; some clients look for it. */
export const fingerprint = 'fp_ollama'

export const doneEvent = 'data: [DONE]\n\n'

/** The parts of a `StreamFormat` that do not depend on what is streamed. */
export function openaiFormat(endpoint: Endpoint): Pick<StreamFormat, 'headers' | 'failure' | 'refuse'> {
  return {
    headers: eventHeaders,
    // Ollama ends the stream without a word; an event with an error is what OpenAI's own clients throw.
    failure: (error) => dataEvent(bodyOf(error, endpoint)),
    refuse: (reply, error) => refuse(reply, error, endpoint),
  }
}

function bodyOf(error: ApiError, endpoint: Endpoint): unknown {
  const { status, words } = error.on(endpoint)
  return errorBody('openai', status, words)
}

function refuse(reply: FastifyReply, error: ApiError, endpoint: Endpoint): void {
  const { status, words } = error.on(endpoint)
  sendError(reply, status, words, { surface: 'openai' })
}

export function usageOf({ promptTokens, evalTokens }: Pick<InferResult, 'promptTokens' | 'evalTokens'>) {
  return { prompt_tokens: promptTokens, completion_tokens: evalTokens, total_tokens: promptTokens + evalTokens }
}

export const unixSeconds = (ms: number): number => Math.floor(ms / 1000)
