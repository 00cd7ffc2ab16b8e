/** Every row, in the order of the reference. */
import type { Row } from './row.ts'
import { anthropicRows } from './rows/anthropic.ts'
import { chatRows } from './rows/chat.ts'
import { chatCompletionRows } from './rows/chat-completions.ts'
import { embeddingRows } from './rows/embeddings.ts'
import { generateRows } from './rows/generate.ts'
import { listRows } from './rows/lists.ts'
import { makingRows } from './rows/making.ts'
import { openaiRows } from './rows/openai.ts'
import { originRows } from './rows/origins.ts'
import { precedenceRows } from './rows/precedence.ts'
import { renderingRows } from './rows/rendering.ts'
import { resolutionRows } from './rows/resolution.ts'
import { responsesRows } from './rows/responses.ts'
import { routeRows } from './rows/routes.ts'
import { runnerRows } from './rows/runners.ts'
import { sharedRows } from './rows/shared.ts'
import { wireRows } from './rows/wire.ts'

export const rows: readonly Row[] = [
  ...[wireRows, originRows, routeRows, sharedRows, resolutionRows, precedenceRows],
  ...[generateRows, chatRows, embeddingRows],
  ...[chatCompletionRows, openaiRows, responsesRows, anthropicRows, listRows, makingRows, runnerRows, renderingRows],
].flat()

/** What tells a row from all others. */
export function idOf({ section, title }: Row): string {
  return `${section}: ${title}`
}
