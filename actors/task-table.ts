/**
 * The scheduler's book: which tasks there are, where each one is, and who waits for which model. Mutable, because a
 * copy for every request would cost more than the request; owned by one actor and by nobody else.
 */
import type { NodeId, Ref } from '../protocols/ref.ts'

export interface TaskEntry {
  readonly task: Ref
  /** The request's id: the name of its response. */
  readonly id: string
  readonly digest: string
  /** Higher goes first. */
  readonly priority: number
  /** Monotonic; among equals the nearer goes first. */
  readonly deadlineMs: number
  /** Where it runs or is being tried; undefined while it waits. */
  readonly node: NodeId | undefined
}

const isBefore = (a: TaskEntry, b: TaskEntry): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.deadlineMs < b.deadlineMs

export class TaskTable {
  readonly #tasks = new Map<Ref, TaskEntry>()
  readonly #outstanding = new Map<NodeId, number>()
  /** The same by node and model version. */
  readonly #outstandingOf = new Map<string, number>()
  /** Waiting tasks by model version, the next one first. */
  readonly #queues = new Map<string, TaskEntry[]>()

  get size(): number {
    return this.#tasks.size
  }

  get(task: Ref): TaskEntry | undefined {
    return this.#tasks.get(task)
  }

  /** Tasks that this entry node has at a node and has not seen the end of. */
  outstanding(node: NodeId): number {
    return this.#outstanding.get(node) ?? 0
  }

  /** Of these, those of one model version. */
  outstandingOf(node: NodeId, digest: string): number {
    return this.#outstandingOf.get(placeOf(node, digest)) ?? 0
  }

  queued(digest: string): number {
    return this.#queues.get(digest)?.length ?? 0
  }

  /** How many wait, for any model. */
  get waiting(): number {
    let waiting = 0
    for (const queue of this.#queues.values()) waiting += queue.length
    return waiting
  }

  /** Whose next task is due first comes first. */
  queuedDigests(): string[] {
    return [...this.#queues]
      .toSorted(([, [a]], [, [b]]) => (isBefore(a as TaskEntry, b as TaskEntry) ? -1 : 1))
      .map(([digest]) => digest)
  }

  /** Enters a task, at a node or in its model's queue. */
  add(entry: TaskEntry): void {
    this.#tasks.set(entry.task, entry)
    if (entry.node === undefined) this.#enqueue(entry)
    else this.#count(entry.node, entry.digest, 1)
  }

  /** The task is now tried at `node`; undefined: it waits again. */
  move(task: Ref, node: NodeId | undefined): void {
    const entry = this.#tasks.get(task)
    if (entry === undefined) return
    this.remove(task)
    this.add({ ...entry, node })
  }

  remove(task: Ref): TaskEntry | undefined {
    const entry = this.#tasks.get(task)
    if (entry === undefined) return undefined
    this.#tasks.delete(task)
    if (entry.node === undefined) this.#dequeue(entry)
    else this.#count(entry.node, entry.digest, -1)
    return entry
  }

  /** The next waiting task of a model; it stays in the queue until it is moved. */
  next(digest: string): TaskEntry | undefined {
    return this.#queues.get(digest)?.[0]
  }

  /** The waiting task of a model whose turn comes last. */
  last(digest: string): TaskEntry | undefined {
    return this.#queues.get(digest)?.at(-1)
  }

  #enqueue(entry: TaskEntry): void {
    const queue = this.#queues.get(entry.digest)
    if (queue === undefined) {
      this.#queues.set(entry.digest, [entry])
      return
    }
    let at = queue.length
    while (at > 0 && isBefore(entry, queue[at - 1] as TaskEntry)) at--
    queue.splice(at, 0, entry)
  }

  #dequeue(entry: TaskEntry): void {
    const queue = this.#queues.get(entry.digest)
    const at = queue?.indexOf(entry) ?? -1
    if (queue === undefined || at < 0) return
    queue.splice(at, 1)
    if (queue.length === 0) this.#queues.delete(entry.digest)
  }

  #count(node: NodeId, digest: string, by: number): void {
    addTo(this.#outstanding, node, by)
    addTo(this.#outstandingOf, placeOf(node, digest), by)
  }
}

const placeOf = (node: NodeId, digest: string): string => `${node}/${digest}`

/** What has come to nothing is not kept. */
function addTo(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
