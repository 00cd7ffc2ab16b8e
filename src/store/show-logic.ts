/** Answers `models.show`, piece by piece: a verbose answer has megabytes of vocabulary. */
import type { ModelCatalog, ShownInstead } from '../../actors/model-catalog.ts'
import type { ShowRequest } from '../../actors/models.ts'
import { maxProblemLength, maxShowPiece } from '../../protocols/messages.ts'
import { here } from '../runtime/here.ts'
import { fromPromise } from '../runtime/logic.ts'

interface Shown {
  /** JSON; undefined: there is none. */
  readonly text: string | undefined
  readonly problem?: string
}

/** What cannot be read is answered with why, and told to `onError`. */
export function showLogic(catalog: ModelCatalog, onError: (error: unknown, model: string) => void) {
  // The asker comes back at once for the next piece: one text is remembered between two pieces, and no more.
  let last: { readonly key: string; readonly text: string } | undefined
  const shownOf = (name: string, verbose: boolean, instead: ShownInstead): Promise<Shown> =>
    catalog.show(name, verbose, instead).then(
      (info) => ({ text: info === undefined ? undefined : JSON.stringify(info) }),
      (error: Error) => {
        onError(error, name)
        return { text: undefined, problem: error.message.slice(0, maxProblemLength) }
      },
    )
  return fromPromise<void, ShowRequest>(async ({ input, system }) => {
    const { name, verbose, offset, system: shownSystem, options, replyTo } = input
    const instead = { ...(shownSystem === undefined ? {} : { system: shownSystem }), ...(options && { options }) }
    const key = JSON.stringify([name, verbose, instead])
    const remembered = offset > 0 && last?.key === key ? last.text : undefined
    const shown = remembered === undefined ? await shownOf(name, verbose, instead) : { text: remembered }
    const { text, ...problem } = shown
    const piece = text === undefined ? null : pieceOf(text, offset)
    const isLast = text === undefined || piece === null || offset + piece.length >= text.length
    last = isLast ? undefined : { key, text }
    here(system).tell(replyTo, { type: 'models.shown', piece, totalLength: text?.length ?? 0, ...problem })
  })
}

/** Never ends between the two halves of a character outside the basic plane. */
function pieceOf(text: string, offset: number): string {
  const end = Math.min(text.length, offset + maxShowPiece)
  const last = text.charCodeAt(end - 1)
  const isHalf = end < text.length && last >= 0xd800 && last < 0xdc00
  return text.slice(offset, isHalf ? end - 1 : end)
}
