/** Answers as lines of JSON: Ollama's streams. */
import type { FastifyReply } from 'fastify'
import type { InferResult } from '../../protocols/infer.ts'
import type { TokenFrame } from './answer.ts'
import type { ApiError, Endpoint } from './errors.ts'
import type { Answer } from './services.ts'
import { addsSomething, openStream, type StreamFormat, streamAnswer } from './stream.ts'
import { utcTime } from './time.ts'
import { plainJsonType, sendError } from './wire.ts'

const headers = { 'content-type': 'application/x-ndjson' }

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

/** Streams an answer to its end; an error after its beginning is the last line. */
export function streamLines(reply: FastifyReply, answer: Answer, lines: LineStream): Promise<void> {
  return streamAnswer(reply, answer, { model: lines.model, format: lineFormat(lines) })
}

function lineFormat({ endpoint, writer }: LineStream): StreamFormat {
  // Once per batch: the frames of one have the same time.
  let [atMs, createdAt] = [Number.NaN, '']
  const timeText = (nowMs: number): string => {
    if (nowMs !== atMs) [atMs, createdAt] = [nowMs, utcTime(nowMs)]
    return createdAt
  }
  return {
    headers,
    delta: (frame, nowMs) => {
      writer.take?.(frame)
      return addsSomething(frame) ? writer.delta(frame, timeText(nowMs)) : ''
    },
    final: (result, nowMs) => writer.final(result, timeText(nowMs)),
    failure: (error) => errorLine(error, endpoint),
    // Ollama then answers JSON without naming a charset.
    refuse: (reply, error) => {
      const { status, words } = error.on(endpoint)
      sendError(reply, status, words, { type: plainJsonType })
    },
  }
}

export const openLines = (reply: FastifyReply): void => openStream(reply, headers)

/** The line that ends a stream which has already begun. */
export function errorLine(error: ApiError, endpoint: Endpoint): string {
  return `${JSON.stringify({ error: error.on(endpoint).words })}\n`
}
