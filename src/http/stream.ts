/** Writes an answer as a stream, in whatever shape: one write per batch, no faster than the client reads. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { InferFrame, InferResult } from '../../protocols/infer.ts'
import { batchesFor, cutShort, errorOf, type TokenFrame } from './answer.ts'
import type { ApiError } from './errors.ts'
import type { Answer } from './services.ts'

/** How a surface writes the parts of an answer. Each text is whole: no event or line is ever cut over two writes. */
export interface StreamFormat {
  readonly headers: Readonly<Record<string, string>>
  /** What a frame adds; '' where it adds nothing yet. `nowMs`: since 1970. */
  delta(frame: TokenFrame, nowMs: number): string
  /** The end of a complete answer. */
  final(result: InferResult, nowMs: number): string
  /** The end of a stream that has begun and fails. */
  failure(error: ApiError): string
  /** Answers a stream that fails before it has begun. */
  refuse(reply: FastifyReply, error: ApiError): void
}

/**
 * Streams an answer to its end. Nothing is written before the first text or the result, so that a failure before it gets
 * a status. `model`: the name as sent.
 */
export async function streamAnswer(
  reply: FastifyReply,
  answer: Answer,
  { model, format }: { readonly model: string; readonly format: StreamFormat },
): Promise<void> {
  const response = reply.raw
  for await (const batch of batchesFor(response, answer)) {
    const { text, error, ended } = written(batch, model, format)
    if (error !== undefined && text === '' && !response.headersSent) return format.refuse(reply, error)
    if (text !== '' && !response.headersSent) openStream(reply, format.headers)
    if (error !== undefined) return void response.end(text + format.failure(error))
    if (ended) return void response.end(text)
    if (text !== '' && !response.write(text)) await drained(response)
  }
  const error = cutShort(response)
  if (!response.headersSent) return format.refuse(reply, error)
  response.end(format.failure(error))
}

function written(batch: readonly InferFrame[], model: string, format: StreamFormat) {
  const nowMs = Date.now()
  let text = ''
  for (const frame of batch) {
    if (frame.kind === 'token') text += format.delta(frame, nowMs)
    else if (frame.kind === 'done') return { text: text + format.final(frame, nowMs), error: undefined, ended: true }
    else {
      const error = errorOf(frame, model)
      if (error !== undefined) return { text, error, ended: true }
    }
  }
  return { text, error: undefined, ended: false }
}

/** A parser that waits for more lets frames pass without text; with probabilities every token counts. */
export function addsSomething({ text, thinking, toolCalls, logprobs }: TokenFrame): boolean {
  return text !== '' || thinking !== undefined || toolCalls !== undefined || logprobs !== undefined
}

/** Takes the response over from fastify and sends its head. */
export function openStream(reply: FastifyReply, headers: Readonly<Record<string, string>>): void {
  reply.hijack()
  reply.raw.writeHead(200, { ...reply.getHeaders(), ...headers } as Record<string, string>)
}

/** Resolves when the client has taken what was written, or is gone: one that takes nothing is cut off by the listener. */
export async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return
  await new Promise<void>((resolve) => {
    const finish = () => {
      response.off('drain', finish)
      response.off('close', finish)
      resolve()
    }
    response.on('drain', finish)
    response.on('close', finish)
  })
}
