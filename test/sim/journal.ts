/**
 * The task journal of one host, as `src/store/task-journal.ts` keeps it: written in batches, read again by the next life.
 * What was not yet written when the process died is lost with it.
 */
import type { AcceptedTask, TaskEnd, TaskJournal } from '../../actors/task-journal.ts'
import type { NodeWorld } from './node-world.ts'

/** How long a record waits until it is written: longer than in reality, so that crashes find some. */
const writeMs = 5

export class DiskJournal {
  readonly accepted = new Map<string, AcceptedTask>()
  readonly ends = new Map<string, TaskEnd>()
  /** How many ends were written of each. */
  readonly written = new Map<string, number>()
  /** Tasks that were accepted a moment before a crash: nobody can know of them. */
  readonly forgotten = new Set<string>()
  #waiting: Array<() => void> = []
  #waitingIds: string[] = []

  /** Opens it for one life; what an earlier one left open ends now. */
  open(world: NodeWorld): TaskJournal {
    for (const id of this.#waitingIds) this.forgotten.add(id)
    this.#waiting = []
    this.#waitingIds = []
    for (const id of this.accepted.keys()) {
      if (!this.ends.has(id)) this.#end(id, { status: 'failed', code: 'node-restarted', atMs: world.wallMs() })
    }
    const open = new Set<string>()
    const write = (id: string, record: () => void): void => {
      if (world.dead) return
      this.#waitingIds.push(id)
      if (this.#waiting.push(record) === 1) world.setTimeout(() => this.#flush(), writeMs)
    }
    return {
      accepted: (task) => {
        open.add(task.id)
        write(task.id, () => this.accepted.set(task.id, task))
      },
      ended: (id, end) => {
        if (open.delete(id)) write(id, () => this.#end(id, end))
      },
    }
  }

  #end(id: string, end: TaskEnd): void {
    this.ends.set(id, end)
    this.written.set(id, (this.written.get(id) ?? 0) + 1)
  }

  #flush(): void {
    for (const record of this.#waiting.splice(0)) record()
    this.#waitingIds = []
  }

  /** Accepted and not ended. */
  get leftOpen(): string[] {
    return [...this.accepted.keys()].filter((id) => !this.ends.has(id))
  }
}
