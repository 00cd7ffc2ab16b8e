/** Shows how work goes on: lines that are redrawn in place where a person reads them, few plain ones everywhere else. */
import { Pace } from './pace.ts'
import { drawLine, type ShownLine } from './progress-line.ts'
import { redraw } from './redraw.ts'
import { printable, sizeText } from './table.ts'
import type { Terminal } from './terminal.ts'

/** A person sees no more than this. */
const redrawEveryMs = 100

/** Things that are counted, each with a line of its own; a manifest has some ten. */
const maxCounted = 10_000

/** One thing that is being done. With a total it is counted in bytes; the digest tells apart what is called the same. */
export interface Step {
  readonly status: string
  readonly digest?: string
  readonly total?: number
  readonly completed?: number
}

export interface Progress {
  /** A step that begins, or how far one is by now. */
  readonly show: (step: Step) => void
  /** Leaves everything as it is now: what is printed next stands below. */
  readonly end: () => void
}

export interface ProgressBar {
  readonly update: (completed: number) => void
  readonly end: () => void
}

export function startProgress(terminal: Terminal): Progress {
  return terminal.notesInteractive ? new LiveProgress(terminal) : new PlainProgress(terminal)
}

/** For a file of this machine, which is soon done: nobody needs to hear of it where nobody watches. */
export function progressBar(label: string, total: number, terminal: Terminal): ProgressBar {
  if (!terminal.notesInteractive) return { update: () => {}, end: () => {} }
  const progress = new LiveProgress(terminal)
  return {
    update: (completed) => progress.show({ status: label, total, completed }),
    end: () => progress.end(),
  }
}

/** How far a step is; undefined when it is not counted. Zeros are left out on the way. */
function countOf({ digest, total, completed = 0 }: Step): { completed: number; total: number } | undefined {
  return digest === undefined && total === undefined ? undefined : { completed, total: total ?? 0 }
}

const isComplete = ({ completed, total }: { completed: number; total: number }): boolean => completed >= total

/** One line when a step begins, and one when something counted is complete. */
class PlainProgress implements Progress {
  readonly #terminal: Terminal
  readonly #told = new Set<string>()
  #status = ''

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(step: Step): void {
    const { status, digest = status } = step
    const count = countOf(step)
    if (count === undefined) {
      if (status !== this.#status) this.#terminal.note(`${printable(status)}\n`)
      this.#status = status
    } else if (isComplete(count) && !this.#told.has(digest) && this.#told.size < maxCounted) {
      this.#told.add(digest)
      this.#terminal.note(`${printable(status)} 100%  ${sizeText(count.total)}\n`)
    }
  }

  end(): void {}
}

interface LiveLine extends ShownLine {
  count?: { completed: number; total: number; perSecond?: number | undefined }
  isOver: boolean
  readonly pace: Pace
}

class LiveProgress implements Progress {
  readonly #terminal: Terminal
  /** Those that stand on the screen or wait for room there, in the order in which they began. */
  #lines: LiveLine[] = []
  readonly #counted = new Map<string, LiveLine>()
  /** What was drawn of them. */
  #drawn: readonly string[] = []
  #turn = 0
  #timer: NodeJS.Timeout | undefined

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(step: Step): void {
    const { status, digest = status } = step
    const count = countOf(step)
    if (count === undefined) this.#step(printable(status))
    else this.#count(digest, printable(status), count)
    if (this.#timer !== undefined) return
    this.#draw(this.#room())
    this.#timer = setInterval(() => this.#draw(this.#room()), redrawEveryMs)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#lines.length === 0) return
    for (const line of this.#lines) line.isOver = true
    this.#draw(this.#lines.length)
    this.#terminal.note('\n')
    this.#lines = []
    this.#drawn = []
  }

  #step(label: string): void {
    const last = this.#lines.at(-1)
    if (last?.count === undefined && last?.label === label) return
    this.#begin({ label, isOver: false, pace: new Pace(performance.now()) })
  }

  #count(key: string, label: string, count: { completed: number; total: number }): void {
    const known = this.#counted.get(key)
    if (known !== undefined) known.count = count
    else if (this.#counted.size < maxCounted) {
      const line: LiveLine = { label, count, isOver: false, pace: new Pace(performance.now()) }
      this.#counted.set(key, line)
      this.#begin(line)
    }
  }

  /** A step is over when the next one begins; what is counted, when it is complete. */
  #begin(line: LiveLine): void {
    const last = this.#lines.at(-1)
    if (last !== undefined && last.count === undefined) last.isOver = true
    this.#lines.push(line)
  }

  /** Rows for lines: all but one, into which a line feed may scroll. */
  #room(): number {
    return Math.max(1, this.#terminal.noteSize().rows - 1)
  }

  /** Draws so many lines in place. Where there are more, those that are done stay behind above them. */
  #draw(room: number): void {
    const { columns } = this.#terminal.noteSize()
    const done: LiveLine[] = []
    while (this.#lines.length > room) {
      const at = this.#lines.findIndex(({ isOver, count }) => isOver || (count !== undefined && isComplete(count)))
      if (at < 0) break
      done.push(...this.#lines.splice(at, 1))
    }
    // The last column stays empty: a terminal that has written there is about to wrap.
    const texts = [...done, ...this.#lines.slice(0, room)].map((line) => drawLine(paced(line), columns - 1, this.#turn))
    this.#terminal.note(redraw(this.#drawn, texts, columns))
    this.#drawn = texts.slice(done.length)
    this.#turn += 1
  }
}

/** With how fast it grows. */
function paced(line: LiveLine): ShownLine {
  const { count, pace } = line
  if (count === undefined) return line
  pace.see(count.completed, performance.now())
  return { ...line, count: { ...count, perSecond: pace.perSecond } }
}
