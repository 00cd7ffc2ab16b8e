/**
 * How far a long piece of work is, for everybody who looks: the lines that it has come to, the last of which may count up.
 * Who works writes it, who listens reads it when it suits them: nothing queues, and nobody is slowed down or missed.
 */

export interface ProgressLine {
  readonly status: string
  /** Of a line about a blob, in bytes. */
  readonly digest?: string
  readonly total?: number
  readonly completed?: number
}

/** Lines of one board: those of the blobs of the largest manifest, and a few around them. */
const maxLines = 10_100

export class ProgressBoard {
  readonly #lines: ProgressLine[] = []
  readonly #ended = Promise.withResolvers<void>()
  #isOver = false
  #problem: string | undefined

  /** In the order in which they came; each may be replaced by a newer one of the same blob. */
  get lines(): readonly ProgressLine[] {
    return this.#lines
  }

  /** Whether nothing will change any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Why the work failed; undefined while it runs, and when it succeeded. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Resolves when the work is over. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  say(status: string): void {
    if (!this.#isOver && this.#lines.length < maxLines) this.#lines.push({ status })
  }

  /** Adds a line about a blob. The function that is returned sets how much of it is there. */
  show(status: string, digest: string, total: number, completed: number): (completed: number) => void {
    const at = this.#lines.length
    const set = (bytes: number): void => {
      if (!this.#isOver && at < maxLines) this.#lines[at] = { status, digest, total, completed: bytes }
    }
    set(completed)
    return set
  }

  /** The first end counts. */
  end(problem?: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#problem = problem
    this.#ended.resolve()
  }
}
