/** Writes an answer as lines of JSON: one write per batch, no faster than the client reads. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { InferFrame, InferResult } from '../../protocols/infer.ts'
import { batchesFor, cutShort, errorOf, type TokenFrame } from './answer.ts'
import type { ApiError, Endpoint } from './errors.ts'
import type { Answer } from './services.ts'
import { utcTime } from './time.ts'
import { sendError } from './wire.ts'

const linesType = 'application/x-ndjson'

/** How an endpoint writes its lines. They end with a newline. */
export interface LineWriter {
  /** A line for what a frame adds to the answer. `createdAt` is RFC 3339. */
  delta(frame: TokenFrame, createdAt: string): string
  /** What the client will get in the final line: called for every token frame. */
  take?(frame: TokenFrame): void
  final(result: InferResult, createdAt: string): string
}

export interface LineStream {
  readonly model: string
  readonly endpoint: Endpoint
  readonly writer: LineWriter
}

/**
 * Streams an answer to its end. Nothing is written before the first text or the result, so that a failure before it gets
 * a status; one after it becomes the last line.
 */
export async function streamLines(reply: FastifyReply, answer: Answer, lines: LineStream): Promise<void> {
  const response = reply.raw
  for await (const batch of batchesFor(response, answer)) {
    const { text, error, ended } = linesOf(batch, lines)
    if (error !== undefined && text === '' && !response.headersSent)
      return answerBeforeLines(reply, error, lines.endpoint)
    if (text !== '' && !response.headersSent) openLines(reply)
    if (error !== undefined) return void response.end(text + errorLine(error, lines.endpoint))
    if (ended) return void response.end(text)
    if (text !== '' && !response.write(text)) await drained(response)
  }
  const error = cutShort(response)
  if (!response.headersSent) return answerBeforeLines(reply, error, lines.endpoint)
  response.end(errorLine(error, lines.endpoint))
}

/** A stream that fails before it begins gets a status; Ollama then answers JSON without naming a charset. */
function answerBeforeLines(reply: FastifyReply, error: ApiError, endpoint: Endpoint): void {
  const { status, words } = error.on(endpoint)
  sendError(reply, status, words, 'application/json')
}

/** Takes the response over from fastify and sends its head. */
export function openLines(reply: FastifyReply): void {
  reply.hijack()
  const headers = reply.getHeaders()
  reply.raw.writeHead(200, { ...headers, 'content-type': linesType } as Record<string, string>)
}

/** The line that ends a stream which has already begun. */
export function errorLine(error: ApiError, endpoint: Endpoint): string {
  return `${JSON.stringify({ error: error.on(endpoint).words })}\n`
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

function linesOf(batch: readonly InferFrame[], { writer, model }: LineStream) {
  const createdAt = utcTime(Date.now())
  let text = ''
  for (const frame of batch) {
    if (frame.kind === 'token') {
      writer.take?.(frame)
      if (addsSomething(frame)) text += writer.delta(frame, createdAt)
    } else if (frame.kind === 'done') {
      return { text: text + writer.final(frame, createdAt), error: undefined, ended: true }
    } else {
      const error = errorOf(frame, model)
      if (error !== undefined) return { text, error, ended: true }
    }
  }
  return { text, error: undefined, ended: false }
}

/** A parser that waits for more lets frames pass without text; with probabilities every token counts. */
function addsSomething({ text, thinking, toolCalls, logprobs }: TokenFrame): boolean {
  return text !== '' || thinking !== undefined || toolCalls !== undefined || logprobs !== undefined
}
