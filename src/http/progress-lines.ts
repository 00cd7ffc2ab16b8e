/** Reads a progress board for one listener, as often as Ollama tells its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProgressBoard, ProgressLine } from '../../actors/progress-board.ts'
import { ApiError } from './errors.ts'

/** As often as Ollama does. */
const lookEveryMs = 60

/**
 * Every line as it comes, and again when it has changed; no more once the signal has aborted. Throws ApiError
 * `transfer-failed` where the work failed.
 */
export async function* watchBoard(
  board: ProgressBoard,
  signal?: AbortSignal,
): AsyncGenerator<ProgressLine, void, void> {
  const told: ProgressLine[] = []
  /** Lines before it are complete and change no more. */
  let from = 0
  for (;;) {
    const { isOver } = board
    for (let at = from; at < board.lines.length; at++) {
      const line = board.lines[at] as ProgressLine
      if (told[at]?.completed !== line.completed || told[at] === undefined) yield line
      told[at] = line
      if (at === from && line.completed === line.total) from += 1
    }
    if (signal?.aborted === true) return
    if (isOver) break
    await Promise.race([board.ended, sleep(lookEveryMs)])
  }
  if (board.problem !== undefined) throw new ApiError('transfer-failed', board.problem)
}
