/** A task journal that is as forgetful as its process. */
import type { AcceptedTask, TaskEnd, TaskJournal } from '../../../actors/task-journal.ts'

export class MemoryJournal implements TaskJournal {
  readonly tasks = new Map<string, AcceptedTask>()
  /** Every end that was told, in order: a right task has exactly one. */
  readonly ends: Array<TaskEnd & { readonly id: string }> = []

  accepted(task: AcceptedTask): void {
    this.tasks.set(task.id, task)
  }

  ended(id: string, end: TaskEnd): void {
    this.ends.push({ id, ...end })
  }

  endsOf(id: string): TaskEnd[] {
    return this.ends.filter((end) => end.id === id).map(({ id: _id, ...end }) => end)
  }

  /** Accepted and not ended. */
  get open(): string[] {
    const ended = new Set(this.ends.map(({ id }) => id))
    return [...this.tasks.keys()].filter((id) => !ended.has(id))
  }
}
