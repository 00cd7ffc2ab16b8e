/** Work that takes a while, told as lines of JSON; or, where the client wants it so, its end alone. */
import type { FastifyReply } from 'fastify'
import { ProgressBoard, type ProgressLine } from '../../actors/progress-board.ts'
import { counted } from './answer.ts'
import { asApiError } from './errors.ts'
import { errorLine, openLines } from './ndjson.ts'
import { watchBoard } from './progress-lines.ts'
import type { Progress } from './services.ts'
import { drained } from './stream.ts'
import { sendError } from './wire.ts'

/** As Ollama answers these: without naming a charset. */
const plainType = 'application/json'

/**
 * Answers the lines of work under way as fast as the client takes them. A failure before the first line has a status; a
 * later one is the last line. Without `stream`, the answer is the status `success` or the error.
 */
export async function answerProgress(reply: FastifyReply, stream: boolean, progress: Progress): Promise<void> {
  try {
    for await (const line of progress) {
      if (stream) await write(reply, line)
    }
  } catch (error) {
    const told = asApiError(error)
    if (reply.raw.headersSent) return void reply.raw.end(errorLine(told, 'other'))
    const { status, words } = told.on('other')
    return void sendError(reply, status, words, { type: plainType })
  }
  if (stream) reply.raw.end()
  else reply.header('content-type', plainType).send(Buffer.from('{"status":"success"}'))
}

/** Work that tells its steps, as Progress: nothing waits for whoever reads it, and its last line is `success`. */
export async function* progressOf(work: (tell: (status: string) => void) => Promise<void>): Progress {
  const board = new ProgressBoard()
  const done = work((status) => board.say(status)).finally(() => board.end())
  done.catch(() => undefined) // Heard below.
  yield* watchBoard(board)
  await done
  yield { status: 'success' }
}

async function write(reply: FastifyReply, line: ProgressLine): Promise<void> {
  if (!reply.raw.headersSent) openLines(reply)
  if (!reply.raw.write(`${textOf(line)}\n`)) await drained(reply.raw)
}

/** Go's `omitempty`. */
function textOf({ status, digest, total = 0, completed = 0 }: ProgressLine): string {
  if (digest === undefined) return JSON.stringify({ status })
  return JSON.stringify({ status, digest, ...counted('total', total), ...counted('completed', completed) })
}
