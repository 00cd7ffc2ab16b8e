/** A progress bar, drawn in place where a person reads it and silent everywhere else. */
import { sizeText } from './table.ts'
import type { Terminal } from './terminal.ts'

const barWidth = 30
/** A person sees no more than this. */
const redrawEveryMs = 100

export interface ProgressBar {
  readonly update: (completed: number) => void
  /** Clears the line, so that what is printed next stands alone. */
  readonly end: () => void
}

export function progressBar(label: string, total: number, terminal: Terminal): ProgressBar {
  if (!terminal.notesInteractive) return { update: () => {}, end: () => {} }
  let drawnMs = Number.NEGATIVE_INFINITY
  return {
    update: (completed) => {
      const nowMs = performance.now()
      if (nowMs - drawnMs < redrawEveryMs) return
      drawnMs = nowMs
      const share = total === 0 ? 1 : Math.min(1, completed / total)
      const bar = '█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '░')
      terminal.note(
        `\r${label} ${bar} ${Math.floor(share * 100)} %  ${sizeText(completed)} of ${sizeText(total)}\x1b[K`,
      )
    },
    end: () => terminal.note('\r\x1b[K'),
  }
}
