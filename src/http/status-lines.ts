/** The steps of work that takes a while, as lines of JSON; or, where the client wants it so, its end alone. */
import type { FastifyReply } from 'fastify'
import { ApiError } from './errors.ts'
import { errorLine, openLines } from './ndjson.ts'
import { sendError } from './wire.ts'

/** As Ollama answers these: without naming a charset. */
const plainType = 'application/json'

/**
 * Runs the work and answers its steps. A failure before the first line has a status; a later one is the last line.
 * Without `stream`, the answer is the status `success` or the error.
 */
export async function answerSteps(
  reply: FastifyReply,
  stream: boolean,
  work: (tell: (line: object) => void) => Promise<void>,
): Promise<void> {
  const tell = (line: object): void => {
    // A client that does not read is told what comes next: no step is worth holding the work.
    if (!stream || reply.raw.destroyed || reply.raw.writableNeedDrain) return
    write(reply, line)
  }
  try {
    await work(tell)
  } catch (error) {
    const { status, words } = asApiError(error).on('other')
    if (!reply.raw.headersSent) return void sendError(reply, status, words, { type: plainType })
    return void reply.raw.end(errorLine(asApiError(error), 'other'))
  }
  if (!stream) return void reply.header('content-type', plainType).send(Buffer.from('{"status":"success"}'))
  write(reply, { status: 'success' })
  reply.raw.end()
}

function write(reply: FastifyReply, line: object): void {
  if (!reply.raw.headersSent) openLines(reply)
  reply.raw.write(`${JSON.stringify(line)}\n`)
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError('internal', error instanceof Error ? error.message : String(error))
}
